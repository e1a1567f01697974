package heap

import "memtrace/tracer/event"

// A block given to realloc leaves the live set when realloc is entered, because from then on
// its address may go to another thread. The block waits here until the same thread's realloc
// returns: it is freed if the call succeeded, and put back if it failed.

// pending is the realloc that a thread is inside of.
type pending struct {
	// block is what left the live set. If it was not known there, only its address is set.
	block block
	known bool
	// next: the realloc was the next call of the thread that had allocated the block.
	next bool
	// entered is when realloc was entered, ns.
	entered uint64
	// old is where the block was counted as one from before the trace, nil if it was not, and
	// chunk the size of its chunk.
	old   *oldSize
	chunk uint64
}

// failure is a failed realloc whose entry was not seen: the entry may come late.
type failure struct {
	addr, time uint64
}

// reallocEnter takes the block at ev.Addr out of the live set.
func (h *Heap) reallocEnter(p *process, ev *event.Event) {
	h.finishStale(ev)
	if ev.Addr == 0 {
		return
	}
	b, ok := h.blocks.take(ev.PID, ev.Addr)
	c := h.callers.cached(p, ev.TID)
	if c == nil {
		c = h.caller(p, ev.TID)
	}
	next := pending{block: b, known: ok, next: ok && h.next(c, &b), entered: ev.Time}
	c.last = 0
	if ok {
		h.leave(p, &b)
	} else {
		next.block.addr = ev.Addr
		if _, inherited := h.inherit(p, ev.Addr); !inherited && !h.late.explains(ev) {
			next.old, next.chunk = h.freeUnknown(p, ev.Size), ev.Size
		}
	}
	h.suspend(thread{ev.PID, ev.TID}, next)
}

// suspend makes next what thread t has inside realloc. If t already has a younger realloc,
// known from a late free, then next returned long ago, and its closing event will meet the
// younger one. next then counts as freed.
func (h *Heap) suspend(t thread, next pending) {
	if old, ok := h.pending[t]; ok {
		if old.entered > next.entered {
			h.settle(next)
			return
		}
		h.settle(old)
	}
	h.pending[t] = next
}

// finishStale ends what ev's thread has inside realloc: that call must have returned before
// ev. Either ev is its success, or the success was lost.
func (h *Heap) finishStale(ev *event.Event) {
	t := thread{ev.PID, ev.TID}
	if old, ok := h.pending[t]; ok && old.entered <= ev.Time {
		h.finish(t, old)
	}
}

// finish frees old, which is pending for t, and forgets it.
func (h *Heap) finish(t thread, old pending) {
	h.settle(old)
	delete(h.pending, t)
}

// settle counts the block of a finished realloc as freed.
func (h *Heap) settle(old pending) {
	if old.known {
		h.end(h.stacks.at(old.block.origin.stack()), &old.block, old.entered, old.next)
		h.freedCopy(h.process(old.block.pid), &old.block)
	}
}

// reallocFail puts back, unchanged, what the thread's realloc had taken. If the address has a
// live block by now, the events contradict each other, and the block whose allocation was seen
// last stays.
func (h *Heap) reallocFail(p *process, ev *event.Event) {
	if ev.Addr == 0 {
		return
	}
	void := h.void(p, ev)
	t := thread{ev.PID, ev.TID}
	old, ok := h.pending[t]
	switch {
	case ok && old.entered <= ev.Time && old.block.addr == ev.Addr:
		delete(h.pending, t)
		if !old.known {
			old.old.takeBack(h.now, old.chunk)
			return
		}
		if h.blocks.has(ev.PID, ev.Addr) {
			h.evict(p, &old.block)
			h.stacks.at(old.block.origin.stack()).freedUnseen++ // when is not known
			return
		}
		h.place(p, h.stacks.at(old.block.origin.stack()), &old.block)
	case ok && old.entered <= ev.Time:
		h.finish(t, old)
		fallthrough
	default:
		if !void {
			h.failed[t] = failure{addr: ev.Addr, time: ev.Time}
		}
	}
}

// forgetFailures forgets the failed reallocs of pid.
func (h *Heap) forgetFailures(pid uint32) {
	for t := range h.failed {
		if t.pid == pid {
			delete(h.failed, t)
		}
	}
}
