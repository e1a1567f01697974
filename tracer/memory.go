package tracer

import (
	"errors"
	"fmt"
	"time"

	"memtrace/tracer/ptmalloc"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
	"memtrace/tracer/sysmem"
)

// remember adds the sections on memory to a report.
func (f *found) remember(r *report.Report) {
	note := func(format string, args ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, args...)) }
	var err error
	if r.System, err = sysmem.Read(); err != nil {
		note("The machine's memory is not shown: %v.", err)
	}
	s, err := f.process.memory.snapshot(time.Now())
	if s == nil {
		note("The address space is not shown: %v.", err)
		return
	}
	m := s.Report()
	r.Memory = m
	if err != nil && !errors.Is(err, region.ErrGone) {
		m.Complete = false
		m.Notes = append(m.Notes, fmt.Sprintf("the last look at the process failed (%v): figures are those of the look before", err))
	}
	if text := explain(m, r.Stacks); text != "" {
		m.Verdict += "; " + text
		if f.splitter == nil {
			return
		}
		if kept := f.splitter.view.kept(); kept != "" {
			m.Notes = append(m.Notes, kept)
		}
	}
}

// kept says how much of its memory malloc keeps free, "" where that is unknown.
func (v *mallocView) kept() string {
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
