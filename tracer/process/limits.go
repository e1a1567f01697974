package process

import (
	"errors"
	"fmt"

	"memtrace/symbolize/patience"
	"memtrace/tracer/process/limits"
	"memtrace/tracer/region"
)

// Limits reads what limits the memory of the process now. space is the last look at its
// address space, nil if there was none. Limits returns nil if the process has ended or if /proc
// does not answer. That may be so in a container whose /proc a program serves.
func (p *Process) Limits(space *region.Snapshot) *limits.Limits {
	if p.limitsHang.Load() || p.Gone() {
		return nil
	}
	mappings := 0
	if space != nil && !space.Gone {
		mappings = space.Mappings
	}
	begin := asideToo()
	l, err := patience.Do(LookPatience, fmt.Sprintf("the limits of process %d", p.pid), func() (*limits.Limits, error) {
		defer begin()()
		return limits.Read(p.pid, mappings)
	}, nil)
	if errors.As(err, new(*patience.NoAnswerError)) {
		p.limitsHang.Store(true)
	}
	if p.Gone() { // its pid may be another's by now
		return nil
	}
	return l
}
