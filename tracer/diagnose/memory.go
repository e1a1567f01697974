package diagnose

import (
	"errors"
	"fmt"

	"memtrace/tracer/event"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
)

// lookAround notes what is not known of the address space and the machine.
func (d *diagnosis) lookAround() {
	if d.SystemErr != nil {
		d.note("The machine's memory is not shown: %v.", d.SystemErr)
	}
	if d.Space == nil && d.SpaceErr != nil {
		d.note("The address space is not shown: %v.", d.SpaceErr)
	}
}

// remember adds the sections on memory to a report.
func (d *diagnosis) remember(r *report.Report) {
	r.System = d.System
	if d.Space == nil {
		return
	}
	m := d.Space.Report()
	r.Memory = m
	if err := d.SpaceErr; err != nil && !errors.Is(err, region.ErrGone) {
		m.Complete = false
		m.Notes = append(m.Notes, fmt.Sprintf("The last look at the process failed (%v): figures are those of the look before.", err))
	}
	d.nameOrigins(m)
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
