package window

import "time"

// slowing keeps the part of its work that windows slow down for the target within a bound. The budget
// alone does not: where probes make a thread a quarter slower, it allows for windows that are open an
// eighth of the time, and an eighth of all requests take a quarter longer.
type slowing struct {
	max float64 // the part of the work that windows may slow, 0 for all of it
	// slowed is how long the work that was slowed takes without probes.
	slowed time.Duration
	credit
}

// slightly is by what part of it probes may lengthen work that does not count as slowed.
const slightly = 0.1

// work returns how long what the target did in a window, while its probes came, and in its tail would
// have taken without probes, 0 if it took hardly longer with them. Costs must be those of the budget.
func (b *budget) work(w watched) time.Duration {
	took := w.window.took + w.tail.took
	cpu := float64(w.window.cpu + w.tail.cpu)
	lost := float64(w.window.allocs)*float64(b.cost.Alloc) + float64(w.window.frees+w.tail.frees)*float64(b.cost.Free)
	useful := max(cpu-lost, 0)
	if took <= 0 || lost < slightly*useful {
		return 0
	}
	all := float64(took + w.attaching)
	// Where there is no telling how busy the target is otherwise, it may have done all of its work.
	if w.window.busy <= 0 {
		return time.Duration(all)
	}
	return time.Duration(min(useful/w.window.busy*all/float64(took), all))
}

// longest returns how long a window may be open for a pause after it that is bounded, too.
func (s *slowing) longest() time.Duration {
	if s.max <= 0 {
		return maxWindow
	}
	return max(min(time.Duration(s.max*float64(maxPause)), maxWindow), minWindow)
}

// pause returns for how long no window may come after one that slowed so much work, at a time since
// the trace began.
func (s *slowing) pause(work, took time.Duration) time.Duration {
	if s.max <= 0 {
		return 0
	}
	s.slowed += work
	return max(-s.saved(s.slowed, s.max, took), 0)
}
