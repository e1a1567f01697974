package diagnose

import (
	"memtrace/tracer/book/live"
	"memtrace/tracer/diagnose/answer"
	"memtrace/tracer/report"
)

// list makes the stacks of the report, without frames. classify relies on those of mappings to
// come first.
func (d *diagnosis) list() {
	d.stacks = make([]report.Stack, 0, len(d.Known.VM.Stacks)+len(d.Known.Heap.Stacks)+len(d.estimates))
	kind := report.Mmap
	if !d.exact() {
		kind = report.Grown
	}
	for i := range d.Known.VM.Stacks {
		d.stacks = append(d.stacks, reportStack(kind, &d.Known.VM.Stacks[i], d.Known.VM.Counters.GivenUp))
	}
	for i := range d.Known.Heap.Stacks {
		s := &d.Known.Heap.Stacks[i]
		r := reportStack(report.Heap, s, d.Known.Heap.Counters.GivenUp)
		r.Allocator = d.allocatorOf(s.ID)
		if d.Split != nil && (d.Split.Ours == nil || d.Split.Ours(d.Known.Server(s.ID))) {
			ways := served(s.Served)
			r.Served = &ways
		}
		d.addUp(&r)
		d.detail(&r, s)
		d.stacks = append(d.stacks, r)
	}
	for i := range d.estimates {
		e := &d.estimates[i]
		r := reportStack(report.Heap, &live.Stack{ID: e.ID}, d.sampleGivenUp)
		r.Estimate, r.Allocator = reportEstimate(e), d.allocatorOf(e.ID)
		d.stacks = append(d.stacks, r)
	}
	d.Known.Heap.Stacks, d.estimates = nil, nil
	if d.Known.Sample != nil {
		d.Known.Sample.Estimates = nil
	}
}

// reportStack converts a stack of a ledger that has given up so many.
func reportStack(kind report.StackKind, s *live.Stack, given live.GiveUps) report.Stack {
	r := report.Stack{
		ID:                   stackName(s.ID),
		Kind:                 kind,
		Inherited:            s.Inherited,
		Bytes:                s.Bytes,
		Blocks:               s.Blocks,
		SinceMarkBytes:       s.Since.Bytes,
		SinceMarkBlocks:      s.Since.Blocks,
		YoungBytes:           s.Young,
		ReplacedBytes:        s.ReplacedBytes,
		AllocatedBytes:       s.AllocatedBytes,
		AllocatedBlocks:      s.AllocatedBlocks,
		FreedBlocks:          s.FreedBlocks,
		GrowthBytesPerSecond: s.GrowthBytesPerSecond,
		FollowedSeconds:      s.Followed.Seconds(),
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

// name adds what a report says of a stack beside its figures.
func (d *diagnosis) name(s *report.Stack) {
	if s.GivenUpStacks > 0 || s.Frames != nil {
		return
	}
	s.Frames, s.Truncated = d.frames(stackOf(s.ID))
	if s.Served != nil && s.Estimate == nil && d.sampling != nil {
		s.Frames = callerOfMalloc(s.Frames)
	}
	s.OwnFrame = answer.OwnFrame(s.Frames, &d.target)
	s.InAllocator = d.Growth && byAllocator(s.Frames, d.Target)
}
