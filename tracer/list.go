package tracer

import (
	"memtrace/tracer/live"
	"memtrace/tracer/report"
)

// list makes f.stacks of what was copied, without frames. classify counts on those of
// mappings to come first.
func (f *found) list() {
	f.stacks = make([]report.Stack, 0, len(f.vm.Stacks)+len(f.heap.Stacks)+len(f.estimates))
	kind := report.Mmap
	if !f.exact {
		kind = report.Grown
	}
	for i := range f.vm.Stacks {
		f.stacks = append(f.stacks, reportStack(kind, &f.vm.Stacks[i], f.vm.Counters.GivenUp))
	}
	for i := range f.heap.Stacks {
		s := &f.heap.Stacks[i]
		r := reportStack(report.Heap, s, f.heap.Counters.GivenUp)
		if f.splitter != nil {
			ways := served(s.Served)
			r.Served = &ways
		}
		f.stacks = append(f.stacks, r)
	}
	for i := range f.estimates {
		e := &f.estimates[i]
		r := reportStack(report.Heap, &live.Stack{ID: e.ID}, f.sampleGivenUp)
		r.Estimate = reportEstimate(e)
		f.stacks = append(f.stacks, r)
	}
	f.heap.Stacks, f.estimates = nil, nil
}

// reportStack converts a stack, of a ledger that has given up so many.
func reportStack(kind report.StackKind, s *live.Stack, given live.GiveUps) report.Stack {
	r := report.Stack{
		ID:                   stackName(s.ID),
		Kind:                 kind,
		Bytes:                s.Bytes,
		Blocks:               s.Blocks,
		AllocatedBytes:       s.AllocatedBytes,
		AllocatedBlocks:      s.AllocatedBlocks,
		FreedBlocks:          s.FreedBlocks,
		GrowthBytesPerSecond: s.GrowthBytesPerSecond,
		Survival:             s.Survival,
		OldestSeconds:        s.Oldest.Seconds(),
		YoungestSeconds:      s.Youngest.Seconds(),
	}
	if s.ID == live.GivenUp {
		r.GivenUpStacks = given.Holding + given.Empty
	}
	for _, b := range s.BlockList {
		r.BlockList = append(r.BlockList, report.Block{Address: b.Address, Bytes: b.Bytes, AgeSeconds: b.Age.Seconds()})
	}
	return r
}

// name finds out what a report says of a stack beside its figures.
func (f *found) name(s *report.Stack) {
	if s.GivenUpStacks > 0 || s.Frames != nil {
		return
	}
	s.Frames, s.Truncated = f.frames(stackOf(s.ID))
	if s.Served != nil && s.Estimate == nil && f.sampling != nil {
		s.Frames = callerOfMalloc(s.Frames)
	}
	s.InAllocator = f.growth != nil && byAllocator(s.Frames, f.traced)
}
