package region

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"memtrace/tracer/report"
	"memtrace/tracer/trend"
)

// GrowingClasses returns the classes that grow beyond doubt, fastest first.
func (s *Snapshot) GrowingClasses() []Class {
	var list []Class
	for c := range NumClasses {
		if s.Classes[c].Fit.Growing() {
			list = append(list, Class(c))
		}
	}
	slices.SortStableFunc(list, func(a, b Class) int {
		return cmp.Compare(s.Classes[b].Fit.Slope, s.Classes[a].Fit.Slope)
	})
	return list
}

// Verdict says in words what grows. It claims growth only where a trend is certain and larger
// than the noise (trend.Fit.Growing). What has merely become larger is described as that.
func (s *Snapshot) Verdict() string {
	if s.Polls < trend.MinFit {
		return fmt.Sprintf("too short to tell growth: %s of the %d it takes at least", polls(s.Polls), trend.MinFit)
	}
	classes := s.GrowingClasses()
	var parts []string
	for _, c := range classes {
		parts = append(parts, s.Classes[c].words(c))
	}
	fit := s.ResidentFit
	switch {
	case fit.Growing() && len(parts) > 0:
		parts = append(parts, "resident grows "+report.Rate(fit.Slope))
	case fit.Growing():
		return "resident grows " + report.Rate(fit.Slope) + ", in memory that was mapped before" + s.mostResident()
	case len(parts) > 0:
		parts = append(parts, "resident does not grow")
	default:
		return "nothing grows" + s.larger()
	}
	return strings.Join(parts, ", ")
}

func polls(n int) string {
	if n == 1 {
		return "1 poll"
	}
	return report.Count(uint64(n)) + " polls"
}

// words says how a class grows.
func (st *ClassState) words(c Class) string {
	verb := " grows "
	if c.plural() {
		verb = " grow "
	}
	text := c.Label() + verb + report.Rate(st.Fit.Slope)
	switch c {
	case MallocMmap, Mmap, ThreadStack, File, Shared:
	default:
		return text // its step size is up to the allocator
	}
	switch {
	case st.Steps == 0:
	case st.StepKnown:
		text += " in segments of " + report.Size(st.Step)
	default:
		text += fmt.Sprintf(" in segments of %s to %s", report.Size(st.Smallest), report.Size(st.Greatest))
	}
	return text
}

// mostResident names the class with the largest part of the resident growth.
func (s *Snapshot) mostResident() string {
	most := Text
	for c := range NumClasses {
		if s.Classes[c].ResidentGrowth > s.Classes[most].ResidentGrowth {
			most = Class(c)
		}
	}
	if s.ResidentAt.IsZero() || s.ResidentAt.Before(s.End) || s.Classes[most].ResidentGrowth <= 0 {
		return ""
	}
	return " (most in: " + most.Label() + ")"
}

// larger names the class that has become larger by most, without a trend to be sure of.
func (s *Snapshot) larger() string {
	most := Text
	for c := range NumClasses {
		if Class(c) == VDSO {
			continue // the kernel's own, like the return-probe page that a trace adds
		}
		if s.Classes[c].Fit.Change > s.Classes[most].Fit.Change {
			most = Class(c)
		}
	}
	change := s.Classes[most].Fit.Change
	if change <= 0 {
		return ""
	}
	verb := " is "
	if most.plural() {
		verb = " are "
	}
	return " beyond doubt: " + most.Label() + verb + report.Size(uint64(change)) +
		" larger, which is no steady growth"
}
