package tracer

import (
	"errors"
	"fmt"
	"time"

	"memtrace/symbolize/patience"
	"memtrace/tracer/event"
	"memtrace/tracer/ptmalloc"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
	"memtrace/tracer/sysmem"
)

// mapped returns the mappings that a process made itself, as far as they are
// outstanding, with the stacks that made them. Neighbours of one stack are one.
// Where only windows of time are watched malloc's mappings are among them.
func (t *Tracer) mapped(pid uint32) (ranges []region.Range) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.vm.Each(pid, func(start, end uint64, stack event.StackID) {
		if n := len(ranges); n > 0 && ranges[n-1].End == start && ranges[n-1].Origin == uint64(stack) {
			ranges[n-1].End = end
			return
		}
		ranges = append(ranges, region.Range{Start: start, End: end, Keep: true, Origin: uint64(stack)})
	})
	return ranges
}

// lookAround looks at the address space and at the machine.
func (f *found) lookAround() {
	note := func(format string, args ...any) { f.notes = append(f.notes, fmt.Sprintf(format, args...)) }
	var err error
	if f.system, err = sysmem.Read(); err != nil {
		note("The machine's memory is not shown: %v.", err)
	}
	if f.space, f.spaceErr = f.process.memory.snapshot(time.Now()); f.space == nil {
		note("The address space is not shown: %v.", f.spaceErr)
	}
}

// remember adds the sections on memory to a report, which is to show its first
// top stacks, or all if top is 0.
func (f *found) remember(r *report.Report, top int) {
	r.System = f.system
	if f.space == nil {
		return
	}
	m := f.space.Report()
	r.Memory = m
	if err := f.spaceErr; err != nil && !errors.Is(err, region.ErrGone) {
		m.Complete = false
		m.Notes = append(m.Notes, fmt.Sprintf("the last look at the process failed (%v): figures are those of the look before", err))
	}
	f.nameOrigins(m, f.space)
	shown := len(r.Stacks)
	if top > 0 {
		shown = min(shown, top)
	}
	e := explainer{
		memory: m, stacks: r.Stacks, shown: shown, seconds: r.DurationSeconds,
		growth: r.Growth, estimated: f.sampling != nil,
		name:   func(s *report.Stack) string { return f.callers(s) },
		mapped: make(map[mappedBy]uint64),
	}
	for m, bytes := range f.space.Mapped {
		e.mapped[mappedBy{stackName(event.StackID(m.Origin)), m.Class.String()}] = bytes
	}
	if text := e.explain(); text != "" {
		m.Verdict += "; " + text
		if f.splitter == nil {
			return
		}
		if kept := f.splitter.view.kept(); kept != "" {
			m.Notes = append(m.Notes, kept)
		}
	}
}

// nameOrigins says which stacks mapped the growing segments of m, which is made
// of s.
func (f *found) nameOrigins(m *report.Memory, s *region.Snapshot) {
	names := make(map[uint64]string)
	for i := range s.Growing {
		origin := s.Growing[i].Origin
		if origin == 0 {
			continue
		}
		if _, ok := names[origin]; !ok {
			names[origin] = f.callers(&report.Stack{ID: stackName(event.StackID(origin))})
		}
		m.Segments[i].Stack, m.Segments[i].Origin = stackName(event.StackID(origin)), names[origin]
	}
}

// kept says how much of its memory malloc keeps free, "" where that is unknown.
func (v *mallocView) kept() string {
	text, _ := patience.Do(patience.Limit, "malloc", func() (string, error) { return v.readKept(), nil }, nil)
	return text
}

func (v *mallocView) readKept() string {
	v.using.Lock()
	defer v.using.Unlock()
	if v.heap == nil {
		return ""
	}
	arenas, err := v.heap.Arenas(ptmalloc.Limits{})
	if err != nil {
		return ""
	}
	system, free, complete := arenas.Total()
	text := "at least "
	if complete {
		text = ""
	}
	return fmt.Sprintf("malloc keeps %s%s free of the %s that its heaps have", text, report.Size(free), report.Size(system))
}
