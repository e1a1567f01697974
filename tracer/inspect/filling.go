package inspect

import (
	"slices"

	"memtrace/tracer/inspect/cohort"
	"memtrace/tracer/inspect/graph"
	"memtrace/tracer/report"
)

// fill takes the array that most of what a root holds hangs on at a look.
func (h *rootHistory) fill(s graph.Slots) {
	if s.Size == 0 || s.Addr != h.slots.Addr || s.Size != h.slots.Size {
		h.same = 0
	}
	h.slots = s
	h.same++
}

// leastFree is how much of an array must be empty for it not to be full: one of so many words.
const leastFree = 64

// slotsOf returns the array that blocks of a group may be filling: it was the same at all looks, each
// block may have a slot of its own, and some are empty. An array that was replaced by a larger one
// has no bound, nor have the chains of a hash table.
func (h *rootHistory) slotsOf(blocks uint64, looks int) *report.HeapSlots {
	s := &h.slots
	words := s.Size / 8
	const others = 50 // one of so many blocks may be elsewhere
	switch {
	case s.Size == 0 || h.same < looks:
		return nil
	case blocks > s.Taken+s.Taken/others+1:
		return nil
	case s.Empty < leastFree/8 || s.Empty < words/leastFree:
		return nil
	}
	return &report.HeapSlots{Words: words, Empty: s.Empty}
}

// filling makes a steady group one that may fill a cache, if that cannot be told from a leak.
func (l *Looker) filling(one *report.HeapGrowth, g *cohort.Growth) {
	if g.Class != cohort.Steady {
		return
	}
	one.Slowing = g.Slowing
	if g.Holder >= 0 && int(g.Holder) < len(l.roots.list) {
		one.Slots = l.roots.list[g.Holder].slotsOf(g.Blocks, l.looks)
	}
	if one.Slots != nil || one.Slowing {
		one.Class = report.HeapFilling
	}
}

// ordered puts groups that fill behind those that only grow.
func ordered(list []report.HeapGrowth) {
	rank := func(g *report.HeapGrowth) int {
		switch g.Class {
		case report.HeapSteady:
			return 0
		case report.HeapFilling:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(list, func(a, b report.HeapGrowth) int { return rank(&a) - rank(&b) })
}
