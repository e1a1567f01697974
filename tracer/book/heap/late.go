package heap

import (
	"math"

	"memtrace/tracer/event"
)

// Frees are never lost. Those for which the ring buffer has no room go to a side map, one
// entry per address, and reach ApplyLateFree before or after the ring's events of the same
// time. Only the time decides: a free ends the block that was allocated at its address before
// it.

// tombstone is a late free that found no block, because its allocation's event is still in the
// ring, or because the block is older than the trace.
type tombstone struct {
	time uint64
	// realloc says that the free was the entry of a realloc by thread tid, which may still
	// fail.
	realloc bool
	tid     uint32
	// claimed says that the free was matched with an allocation.
	claimed bool
	// evicted says that it ended an evicted block. chunk is the size of the block's chunk.
	evicted bool
	chunk   uint64
	// own says that it came from inside an allocator. If it ends no block, it is none of the program's.
	own bool
}

type address struct {
	addr uint64
	pid  uint32
}

// tombstones are the late frees that wait for their block. There is never a live block at the
// address of a tombstone.
type tombstones struct {
	byAddr map[address]tombstone
	// oldest is not later than any of them.
	oldest uint64
}

func newTombstones() tombstones {
	return tombstones{byAddr: make(map[address]tombstone), oldest: math.MaxUint64}
}

// explains reports whether ev, a free or realloc that found no live block, found none because
// a later free of the address has already claimed the block.
func (ts *tombstones) explains(ev *event.Event) bool {
	if len(ts.byAddr) == 0 {
		return false
	}
	tomb, ok := ts.byAddr[address{ev.Addr, ev.PID}]
	return ok && tomb.claimed && ev.Time <= tomb.time
}

// execed forgets the tombstones of pid up to its exec at time (ns).
func (ts *tombstones) execed(pid uint32, time uint64) {
	for a, tomb := range ts.byAddr {
		if a.pid == pid && tomb.time <= time {
			delete(ts.byAddr, a)
		}
	}
}

// ApplyLateFree takes a Free or ReallocEnter that did not go through the ring buffer. It ends
// the block at its address if that was allocated no later. A younger block stays: the free was
// of an earlier one. The free then waits for allocations at the address still in the ring,
// until CaughtUp, both if it found no block and if it ended one. Of several that wait for one
// address, the latest wins.
func (h *Heap) ApplyLateFree(ev *event.Event) {
	pid, tid, addr, t := ev.PID, ev.TID, ev.Addr, ev.Time
	realloc := ev.Kind == event.ReallocEnter
	h.now = max(h.now, t)
	p := h.process(pid)
	if !realloc {
		p.counters.Free++
	}
	p.peak.doubtful = true
	h.caller(p, tid).last = 0
	if addr == 0 || t <= p.execed {
		return
	}
	if realloc && h.hasFailed(thread{pid, tid}, addr, t) {
		return
	}
	tomb := tombstone{time: t, realloc: realloc, tid: tid, chunk: ev.Size, own: ev.Flags&event.InAllocator != 0}
	tomb.evicted = h.explain(p, address{addr, pid}, t)
	b, ok := h.blocks.get(pid, addr)
	if !ok {
		_, tomb.claimed = h.inherit(p, addr)
		h.bury(address{addr, pid}, tomb)
		return
	}
	if b.time <= t {
		h.blocks.take(pid, addr)
		s := h.leave(p, &b)
		if p.copied == 0 || !h.isHeirloom(&b) { // copies were not in the peak
			p.peak.takeBack(s, &b, t)
		}
		h.endLate(&b, tomb)
		// This may not be the block that was freed: that one's allocation may still be in the
		// ring, behind the free of this one.
		tomb.claimed = true
		h.bury(address{addr, pid}, tomb)
	}
}

// hasFailed reports whether the realloc of addr that thread t entered at time is known to have
// failed, and forgets the failure.
func (h *Heap) hasFailed(t thread, addr, time uint64) bool {
	f, ok := h.failed[t]
	if !ok || f.addr != addr || f.time < time {
		return false
	}
	delete(h.failed, t)
	return true
}

// bury keeps a late free until its block's allocation is seen.
func (h *Heap) bury(a address, tomb tombstone) {
	if old, ok := h.late.byAddr[a]; ok {
		if old.time >= tomb.time {
			return
		}
		// What the older free has claimed stays explained.
		tomb.claimed = tomb.claimed || old.claimed
		tomb.own = tomb.own && old.own
	}
	h.late.byAddr[a] = tomb
	h.late.oldest = min(h.late.oldest, tomb.time)
}

// claim reports whether b, which comes from the ring, was already ended by a late free. A
// block younger than the late free ends that free's wait.
func (h *Heap) claim(p *process, b *block) bool {
	a := address{b.addr, b.pid}
	tomb, ok := h.late.byAddr[a]
	if !ok {
		return false
	}
	if b.time > tomb.time {
		h.resolve(p, a, tomb)
		return false
	}
	tomb.claimed = true
	h.late.byAddr[a] = tomb
	h.endLate(b, tomb)
	return true
}

// void forgets the tombstone of the realloc that ev says has failed, so that it cannot claim
// the block again once it is put back. It reports whether there was one.
func (h *Heap) void(p *process, ev *event.Event) bool {
	if len(h.late.byAddr) == 0 {
		return false
	}
	a := address{ev.Addr, ev.PID}
	tomb, ok := h.late.byAddr[a]
	if !ok || !tomb.realloc || tomb.tid != ev.TID || tomb.time > ev.Time {
		return false
	}
	if !tomb.claimed {
		p.counters.UnknownFree++ // but the block, if it is an old one, is still there
	}
	delete(h.late.byAddr, a)
	return true
}

// resolve ends the wait of tomb for a block.
func (h *Heap) resolve(p *process, a address, tomb tombstone) {
	switch {
	case tomb.claimed:
	case tomb.evicted:
		p.counters.UnknownFree++
	case tomb.own:
		p.counters.Free--
	default:
		h.freeUnknown(p, tomb.chunk)
	}
	delete(h.late.byAddr, a)
}

// endLate ends b, which is not in the live set, by the late free tomb.
func (h *Heap) endLate(b *block, tomb tombstone) {
	old := pending{block: *b, known: true, entered: tomb.time}
	if tomb.realloc {
		h.suspend(thread{b.pid, tomb.tid}, old)
	} else {
		h.settle(old)
	}
}

// CaughtUp says that all events of the ring buffer older than t (ns) were applied. Late frees
// before t that have found no block are then of blocks older than the trace. Call it now and
// then to forget them.
func (h *Heap) CaughtUp(t uint64) {
	if t <= h.late.oldest {
		return
	}
	h.late.oldest = math.MaxUint64
	for a, tomb := range h.late.byAddr {
		if tomb.time >= t {
			h.late.oldest = min(h.late.oldest, tomb.time)
			continue
		}
		h.resolve(h.process(a.pid), a, tomb)
	}
}

// Gap says that frees of process pid, 0 for all processes, before t (ns) were lost for good.
// Blocks allocated up to t can then not be told from freed ones. They leave the live set and
// count as dropped, even if their events arrive later. What one process alone has lost, it lost
// by an exec, so nothing that it frees from then on is as old as what it freed before.
func (h *Heap) Gap(pid uint32, t uint64) {
	h.now = max(h.now, t)
	if pid != 0 {
		p := h.process(pid)
		p.lost(t)
		p.old = new(oldFrees)
	} else {
		h.gap = max(h.gap, t)
	}
	for _, p := range h.procs.byPID {
		if pid == 0 {
			p.lost(t)
		}
		// What an heir has of these blocks is as doubtful.
		if pid == 0 || p.pid == pid || p.heritage != nil && p.heritage.from.pid == pid {
			h.dropHeritage(p)
		}
	}
	h.sweep(pid)
}

// lost makes the process's blocks that were allocated up to t (ns) untrustworthy.
func (p *process) lost(t uint64) {
	if t > p.execed {
		p.peak.doubtful = true
	}
	p.gap = max(p.gap, t)
	p.cutoff = max(p.cutoff, t)
}
