package diagnose

import (
	"slices"

	"memtrace/tracer/report"
)

// suppress marks the stacks that suppressions hide. For that each needs names; those that were not
// named before give them back, since there may be very many. While windows are watched, the growth
// of malloc's heaps stays: it is not what the stacks at its place hold.
func (d *diagnosis) suppress(stacks []report.Stack) {
	if d.Suppress == nil {
		return
	}
	for i := range stacks {
		s := &stacks[i]
		if s.GivenUpStacks > 0 || s.Kind == report.Grown && !d.Growth {
			continue
		}
		frames := s.Frames
		if frames == nil {
			frames, _ = d.frames(stackOf(s.ID))
		}
		s.Suppressed = d.Suppress.Match(frames)
	}
}

// hide takes the suppressed stacks out of the report, and counts them. What they hold stays in its
// sums.
func (d *diagnosis) hide(r *report.Report) {
	if d.Suppress == nil {
		return
	}
	r.Stacks = slices.DeleteFunc(r.Stacks, func(s report.Stack) bool {
		if s.Suppressed != "" {
			r.Suppress(&s)
		}
		return s.Suppressed != ""
	})
	r.StacksTotal = len(r.Stacks)
}
