package heap

// slot stands for a thread of a process in the blocks that it has allocated. Slot 0 stands for
// threads that are not told apart, and for those of a parent.
type slot uint16

const (
	// maxSlots is how many threads of a process may hold blocks and be told apart.
	maxSlots = 1 << slotBits
	// cachedThreads is the size of the cache in front of the map of threads, a power of two.
	cachedThreads = 256
	// mostFresh is how many threads may wait to be asked for.
	mostFresh = 1 << 12
)

// caller is what is known of a thread that allocates. One that ended is not told from a later one
// with its id.
type caller struct {
	// last is the block that its last call returned, 0 if it was no such call.
	last uint64
	slot slot
}

// callers finds threads.
type callers struct {
	byThread map[thread]*caller
	cache    [cachedThreads]struct {
		thread
		*caller
	}
	// fresh are those that were seen for the first time since they were asked for.
	fresh []Thread
}

// Thread identifies a thread.
type Thread struct{ PID, TID uint32 }

// cached returns a thread of a process if it is in the cache, else nil.
func (cs *callers) cached(p *process, tid uint32) *caller {
	if c := &cs.cache[tid%cachedThreads]; c.tid == tid && c.pid == p.pid { // pid 0 is never traced
		return c.caller
	}
	return nil
}

// caller returns a thread of a process, a new one if need be. Where time counts, ask the cache
// first.
func (h *Heap) caller(p *process, tid uint32) *caller {
	t := thread{p.pid, tid}
	found, ok := h.callers.byThread[t]
	if !ok {
		found = &caller{slot: h.slot(p, tid)}
		h.callers.byThread[t] = found
	}
	c := &h.callers.cache[tid%cachedThreads]
	c.thread, c.caller = t, found
	return found
}

// slot finds a slot for a new thread.
func (h *Heap) slot(p *process, tid uint32) slot {
	if len(h.callers.fresh) < mostFresh {
		h.callers.fresh = append(h.callers.fresh, Thread{p.pid, tid})
	}
	if len(p.threads) == 0 {
		p.threads = append(p.threads, 0)
	}
	if len(p.threads) < maxSlots {
		p.threads = append(p.threads, tid)
		return slot(len(p.threads) - 1)
	}
	if p.newcomers > 0 {
		p.newcomers--
	}
	if len(p.freeSlots) == 0 && p.newcomers == 0 {
		h.freeSlots(p)
		p.newcomers = maxSlots - 1
	}
	n := len(p.freeSlots) - 1
	if n < 0 {
		return 0
	}
	s := p.freeSlots[n]
	p.freeSlots, p.threads[s] = p.freeSlots[:n], tid
	return s
}

// freeSlots takes the slots of threads that hold nothing. It looks at every block once.
func (h *Heap) freeSlots(p *process) {
	held := make([]bool, maxSlots)
	held[0] = true
	h.blocks.each(func(b *block) {
		if b.pid == p.pid {
			held[b.extent.slot()] = true
		}
	})
	for t, old := range h.pending {
		if t.pid == p.pid {
			held[old.block.extent.slot()] = true
		}
	}
	for t, c := range h.callers.byThread {
		if t.pid == p.pid && (c.slot == 0 || !held[c.slot]) {
			delete(h.callers.byThread, t)
		}
	}
	clear(h.callers.cache[:])
	for s, held := range held {
		if !held {
			p.freeSlots = append(p.freeSlots, slot(s))
		}
	}
}

// forgetThreads forgets those of processes that were removed.
func (h *Heap) forgetThreads() {
	for t := range h.callers.byThread {
		if h.process(t.pid).removed {
			delete(h.callers.byThread, t)
		}
	}
	clear(h.callers.cache[:])
}

// next reports whether the call of an event is the next one of the thread that allocated a block,
// after it did. Where blocks of some sizes go unseen, that is not known.
func (h *Heap) next(c *caller, b *block) bool {
	return c.last == b.addr && c.slot == b.extent.slot() && c.slot != 0 && h.all
}

// FreshThreads returns the threads that were seen for the first time since the last call.
func (h *Heap) FreshThreads() []Thread {
	fresh := h.callers.fresh
	h.callers.fresh = nil
	return fresh
}
