package heap

import (
	"math"

	"memtrace/tracer/event"
)

// Frees are never lost: those for which the ring buffer has no room go to a
// side map, one entry an address, and reach ApplyLateFree before or after the
// ring's events of the same time. What decides is the time alone: a free ends
// the block that was allocated at its address before it.

// tombstone is a late free that found no block: the event of its allocation is
// still in the ring, or the block is older than the trace.
type tombstone struct {
	time uint64
	// realloc says that the free was the entry of realloc by thread tid, which
	// may fail yet.
	realloc bool
	tid     uint32
	// claimed says that the free was matched with an allocation.
	claimed bool
}

type address struct {
	addr uint64
	pid  uint32
}

// tombstones are the late frees that wait for their block. There is never a
// live block at the address of a tombstone.
type tombstones struct {
	byAddr map[address]tombstone
	// oldest is not later than any of them.
	oldest uint64
}

func newTombstones() tombstones {
	return tombstones{byAddr: make(map[address]tombstone), oldest: math.MaxUint64}
}

// explains reports whether the free or realloc ev, which found no live block,
// did so because a later free of its address has claimed the block already.
func (ts *tombstones) explains(ev *event.Event) bool {
	if len(ts.byAddr) == 0 {
		return false
	}
	tomb, ok := ts.byAddr[address{ev.Addr, ev.PID}]
	return ok && tomb.claimed && ev.Time <= tomb.time
}

// execed forgets the tombstones of pid until the time (ns) of its exec.
func (ts *tombstones) execed(pid uint32, time uint64) {
	for a, tomb := range ts.byAddr {
		if a.pid == pid && tomb.time <= time {
			delete(ts.byAddr, a)
		}
	}
}

// ApplyLateFree takes a free of addr by thread tid of process pid at time t
// (ns), or with realloc the entry of one, that did not go through the ring
// buffer. It ends the block there if that was allocated until t. A younger
// block stays: the free was that of an earlier one. Without a block, the free
// waits for the ring's allocations of addr, as it does behind a block that it has
// ended, until CaughtUp; of several waiting for one address the latest wins.
func (h *Heap) ApplyLateFree(pid uint32, addr uint64, t uint64, realloc bool, tid uint32) {
	h.now = max(h.now, t)
	p := h.process(pid)
	if !realloc {
		p.counters.Free++
	}
	if addr == 0 || t <= p.execed {
		return
	}
	if realloc && h.hasFailed(thread{pid, tid}, addr, t) {
		return
	}
	h.explain(p, address{addr, pid}, t)
	tomb := tombstone{time: t, realloc: realloc, tid: tid}
	b, ok := h.blocks.get(pid, addr)
	if !ok {
		h.bury(address{addr, pid}, tomb)
		return
	}
	if b.time <= t {
		h.blocks.take(pid, addr)
		h.leave(&b)
		h.endLate(&b, tomb)
		// It may not be the block that was freed: the ring may hold that one's
		// allocation still, behind the free of this one.
		tomb.claimed = true
		h.bury(address{addr, pid}, tomb)
	}
}

// hasFailed reports whether the realloc of addr that thread t entered at time
// is known to have failed, and forgets that.
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
		// What the older one has claimed stays explained.
		tomb.claimed = tomb.claimed || old.claimed
	}
	h.late.byAddr[a] = tomb
	h.late.oldest = min(h.late.oldest, tomb.time)
}

// claim reports whether b, which comes from the ring, was ended by a late free
// already. A block younger than that free ends the wait for one.
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

// void forgets the tombstone of the realloc that ev says has failed, if there is
// one, lest it claim the block again that is put back. It reports whether there
// was one.
func (h *Heap) void(p *process, ev *event.Event) bool {
	if len(h.late.byAddr) == 0 {
		return false
	}
	a := address{ev.Addr, ev.PID}
	tomb, ok := h.late.byAddr[a]
	if !ok || !tomb.realloc || tomb.tid != ev.TID || tomb.time > ev.Time {
		return false
	}
	h.resolve(p, a, tomb)
	return true
}

// resolve ends the wait of tomb for a block.
func (h *Heap) resolve(p *process, a address, tomb tombstone) {
	if !tomb.claimed {
		p.counters.UnknownFree++
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

// CaughtUp says that all events of the ring buffer older than t (ns) were
// applied: late frees before t that have found no block concern blocks that are
// older than the trace. It is to be called now and then to forget them.
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

// Gap says that frees of process pid, 0 for all, before t (ns) were lost for
// good. What was allocated until t can then not be told from what was freed: it
// leaves the live set and is counted as dropped, also where its event arrives
// later.
func (h *Heap) Gap(pid uint32, t uint64) {
	h.now = max(h.now, t)
	if pid != 0 {
		h.process(pid).lost(t)
	} else {
		h.gap = max(h.gap, t)
		for _, p := range h.procs.byPID {
			p.lost(t)
		}
	}
	h.sweep(pid)
}

// lost distrusts the blocks of the process that were allocated until t (ns).
func (p *process) lost(t uint64) {
	p.gap = max(p.gap, t)
	p.cutoff = max(p.cutoff, t)
}
