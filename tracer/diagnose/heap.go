package diagnose

import (
	"slices"

	"memtrace/tracer/book"
	"memtrace/tracer/diagnose/answer"
	"memtrace/tracer/event"
	"memtrace/tracer/report"
)

// HeapLooks are looks at the heap of a process beside its trace.
type HeapLooks interface {
	// Report says what they have shown. name makes the ID that a report gives a stack. Stacks need no
	// frames.
	Report(known *book.Copy, name func(event.StackID) string) *report.HeapBeside
}

// heap adds what looks at the heap have shown to a report with its final list of stacks.
func (d *diagnosis) heap(r *report.Report, opt Options) {
	if opt.Heap == nil {
		return
	}
	looks := opt.Heap(d.target.PID)
	if looks == nil {
		return
	}
	r.Heap = looks.Report(d.Known, stackName)
	for i := range r.Heap.Growing {
		g := &r.Heap.Growing[i]
		g.AllocatedBy, g.LooksLike = d.heapStacks(r, g.AllocatedBy), d.heapStacks(r, g.LooksLike)
		if perSecond := g.PerMinute / 60 * r.TracedFraction; d.sampling != nil && perSecond > 0 {
			g.SeenEverySeconds = 1 / perSecond
		}
	}
}

// heapStacks names stacks, and takes those together that one of the report is the sum of.
func (d *diagnosis) heapStacks(r *report.Report, list []report.HeapSource) (named []report.HeapSource) {
	for i := range list {
		s := list[i]
		one := report.Stack{ID: s.ID, Kind: report.Heap}
		d.name(&one)
		if d.sampling != nil {
			one.Frames = callerOfMalloc(one.Frames) // of a block that is a mapping of its own
		}
		s.Frames, s.Truncated, s.OwnFrame = one.Frames, one.Truncated, answer.OwnFrame(one.Frames, &d.target)
		if at := slices.IndexFunc(r.Stacks, func(o report.Stack) bool { return merges(&o, &s) }); at >= 0 {
			s.ID = r.Stacks[at].ID
		}
		if at := slices.IndexFunc(named, func(o report.HeapSource) bool { return o.ID == s.ID }); at >= 0 {
			named[at].Blocks += s.Blocks
			continue
		}
		named = append(named, s)
	}
	slices.SortStableFunc(named, func(a, b report.HeapSource) int { return int(b.Blocks) - int(a.Blocks) })
	return named
}

// merges reports whether a stack of a report is another one, or has it as a part.
func merges(s *report.Stack, part *report.HeapSource) bool {
	switch {
	case s.ID == part.ID:
		return true
	case slices.ContainsFunc(s.Like, func(l report.Like) bool { return l.ID == part.ID }):
		return true
	}
	return s.MergedStacks > report.MostLike && len(part.Frames) > 0 &&
		slices.EqualFunc(s.Frames, part.Frames, func(a, b report.Frame) bool { return a.Function == b.Function && a.File == b.File && a.Line == b.Line })
}
