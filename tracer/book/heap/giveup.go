package heap

import (
	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// StackBytes returns the memory that the sums of stacks take.
func (h *Heap) StackBytes() uint64 {
	return uint64(len(h.stacks.byKey))*stackBytes + h.stacks.counted*countsBytes + h.freers.Bytes()
}

// FreedAt returns by which stacks the blocks of each stack of a process were freed, as far as that was
// sampled.
func (h *Heap) FreedAt(pid uint32) map[event.StackID][]live.FreedAt {
	return h.freers.Of(func(id event.StackID) bool {
		_, ok := h.stacks.byKey[live.Key{ID: id, PID: pid}]
		return ok
	})
}

// dropFreers forgets where the blocks of a stack were freed. Those of copies of a parent's blocks are the
// parent's, by the same ID.
func (h *Heap) dropFreers(index uint32) {
	if _, copies := h.heirlooms[index]; !copies {
		h.freers.Drop(h.stacks.keys[index].ID)
	}
}

// ForgetFreers forgets where blocks were freed, to save memory.
func (h *Heap) ForgetFreers() { h.freers = live.Freers{} }

// EachStack calls f with the ID of every known stack, in no order.
func (h *Heap) EachStack(f func(event.StackID)) {
	h.freers.EachStack(f)
	for key := range h.stacks.byKey {
		f(key.ID)
	}
}

// GiveUp forgets a quarter to a half of the stacks, those that live.ChooseGivenUp selects.
// What they hold, and what was counted of them, goes to their process's stack live.GivenUp. It
// looks at every block and every stack once.
func (h *Heap) GiveUp() {
	var candidates []live.Candidate
	for i, s := range h.stacks.all {
		if s != nil && h.stacks.keys[i].ID != live.GivenUp {
			candidates = append(candidates, s.Candidate(uint32(i)))
		}
	}
	const none = ^uint32(0)
	into := make([]uint32, len(h.stacks.all))
	for i := range into {
		into[i] = none
	}
	var gone []uint32
	for _, c := range live.ChooseGivenUp(candidates) {
		key := h.stacks.keys[c.Index]
		index, sum := h.stacks.get(key.PID, live.GivenUp)
		s := h.stacks.at(c.Index)
		p := h.process(key.PID)
		p.counters.GivenUp.Count(&s.Account)
		h.absorbPeak(p, c.Index, index)
		h.stacks.absorb(sum, s)
		sum.Absorb(h.now, &s.Account)
		into[c.Index] = index
		gone = append(gone, c.Index)
	}
	move := func(b *block) {
		if to := into[b.origin.stack()]; to != none {
			b.origin = originOf(to, b.origin.chunk())
		}
	}
	h.blocks.each(move)
	for _, list := range h.departed.byAddr {
		for i := range list {
			move(&list[i].block)
		}
	}
	for t, p := range h.pending {
		if p.known {
			move(&p.block)
			h.pending[t] = p
		}
	}
	for _, i := range gone {
		delete(h.heirlooms, i)
		h.stacks.remove(i)
	}
	clear(h.stacks.cache[:])
}
