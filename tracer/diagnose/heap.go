package diagnose

import (
	"fmt"
	"slices"
	"strings"

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
	at := placesOf(r.Stacks)
	for i := range r.Heap.Growing {
		g := &r.Heap.Growing[i]
		g.AllocatedBy, g.LooksLike = d.heapStacks(r, at, g.AllocatedBy), d.heapStacks(r, at, g.LooksLike)
		if perSecond := g.PerMinute / 60 * r.TracedFraction; d.sampling != nil && perSecond > 0 {
			g.SeenEverySeconds = 1 / perSecond
		}
	}
}

// heapStacks names stacks, and takes those together that one of the report is the sum of.
func (d *diagnosis) heapStacks(r *report.Report, at places, list []report.HeapSource) (named []report.HeapSource) {
	for i := range list {
		s := list[i]
		one := report.Stack{ID: s.ID, Kind: report.Heap}
		d.name(&one)
		if d.sampling != nil {
			one.Frames = callerOfMalloc(one.Frames) // of a block that is a mapping of its own
		}
		s.Frames, s.Truncated, s.OwnFrame = one.Frames, one.Truncated, answer.OwnFrame(one.Frames, &d.target)
		if i, ok := at.of(&s); ok {
			s.ID = r.Stacks[i].ID
		}
		same := func(o report.HeapSource) bool {
			return o.ID == s.ID || len(s.Frames) > 0 && addressesOf(o.Frames) == addressesOf(s.Frames)
		}
		if i := slices.IndexFunc(named, same); i >= 0 {
			one := &named[i]
			one.Blocks, one.Returned, one.Given = one.Blocks+s.Blocks, one.Returned+s.Returned, one.Given+s.Given
			continue
		}
		named = append(named, s)
	}
	slices.SortStableFunc(named, func(a, b report.HeapSource) int { return int(b.Blocks) - int(a.Blocks) })
	return named
}

// places are those of the stacks of a report by their IDs, those of the stacks that they are the sum of,
// and, where not all of these are known, their functions and lines.
type places map[string]int

func placesOf(stacks []report.Stack) places {
	p := make(places)
	put := func(key string, i int) {
		if _, ok := p[key]; !ok {
			p[key] = i
		}
	}
	for i := range stacks {
		s := &stacks[i]
		put(s.ID, i)
		for k := range s.Like {
			put(s.Like[k].ID, i)
		}
		if s.MergedStacks > report.MostLike {
			put(linesOf(s.Frames), i)
		}
		if s.Kind == report.Heap && len(s.Frames) > 0 {
			put(addressesOf(s.Frames), i)
		}
	}
	return p
}

// of returns the place of the first stack that is this one, or has it as a part.
func (p places) of(part *report.HeapSource) (place int, ok bool) {
	place, ok = p[part.ID]
	if len(part.Frames) == 0 {
		return place, ok
	}
	if i, like := p[linesOf(part.Frames)]; like && (!ok || i < place) {
		return i, true
	}
	if i, same := p[addressesOf(part.Frames)]; same && !ok && part.Returned > 0 {
		return i, true
	}
	return place, ok
}

// addressesOf tells stacks apart by their addresses. What is seen where a call returns has an ID of its
// own, for that does not say what served the call.
func addressesOf(frames []report.Frame) string {
	var b strings.Builder
	for i := range frames {
		fmt.Fprintf(&b, "%#x ", frames[i].Address)
	}
	return b.String()
}

// linesOf tells stacks apart by their functions and lines. No ID is such a text.
func linesOf(frames []report.Frame) string {
	var b strings.Builder
	for i := range frames {
		f := &frames[i]
		fmt.Fprintf(&b, "%q %q %d\n", f.Function, f.File, f.Line)
	}
	return b.String()
}
