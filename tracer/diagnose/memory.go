package diagnose

import (
	"errors"
	"fmt"

	"memtrace/tracer/event"
	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
)

// lookAround notes what is not known of the address space and the machine.
func (d *diagnosis) lookAround() {
	if d.SystemErr != nil {
		d.note("The machine's memory is not shown: %v.", d.SystemErr)
	}
	if d.Space == nil {
		d.note("The address space is not shown: %v.", d.SpaceErr)
	}
}

// remember adds the sections on memory to a report that will show its first top stacks, or all
// if top is 0.
func (d *diagnosis) remember(r *report.Report, top int) {
	r.System = d.System
	if d.Space == nil {
		return
	}
	m := d.Space.Report()
	r.Memory = m
	if err := d.SpaceErr; err != nil && !errors.Is(err, region.ErrGone) {
		m.Complete = false
		m.Notes = append(m.Notes, fmt.Sprintf("the last look at the process failed (%v): figures are those of the look before", err))
	}
	d.nameOrigins(m)
	shown := len(r.Stacks)
	if top > 0 {
		shown = min(shown, top)
	}
	e := explainer{
		memory: m, stacks: r.Stacks, shown: shown, seconds: r.DurationSeconds,
		growth: r.Growth, estimated: d.sampling != nil,
		name:   func(s *report.Stack) string { return d.callers(s) },
		mapped: make(map[mappedBy]uint64),
	}
	for m, bytes := range d.Space.Mapped {
		e.mapped[mappedBy{stackName(event.StackID(m.Origin)), m.Class.String()}] = bytes
	}
	text := e.explain()
	if text == "" {
		return
	}
	m.Verdict += "; " + text
	if d.Split == nil {
		return
	}
	if kept, ok := d.Kept(); ok {
		m.Notes = append(m.Notes, keptFree(kept))
	}
}

// nameOrigins says which stacks mapped the growing segments of the address space.
func (d *diagnosis) nameOrigins(m *report.Memory) {
	names := make(map[uint64]string)
	for i := range d.Space.Growing {
		origin := d.Space.Growing[i].Origin
		if origin == 0 {
			continue
		}
		if _, ok := names[origin]; !ok {
			names[origin] = d.callers(&report.Stack{ID: stackName(event.StackID(origin))})
		}
		m.Segments[i].Stack, m.Segments[i].Origin = stackName(event.StackID(origin)), names[origin]
	}
}

func keptFree(k ptmalloc.Kept) string {
	text := "at least "
	if k.Complete {
		text = ""
	}
	return fmt.Sprintf("malloc keeps %s%s free of the %s that its heaps have", text, report.Size(k.Free), report.Size(k.System))
}
