package region

import (
	"cmp"
	"fmt"
	"math"
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

// Verdict says in sentences what grows. It claims growth only where a trend is certain and larger
// than the noise (trend.Fit.Growing). What has merely become larger is described as that.
func (s *Snapshot) Verdict() string {
	if s.TooShort() {
		return "Too short to tell growth: " + s.looks() + "."
	}
	classes := s.GrowingClasses()
	var sentences []string
	for _, c := range classes {
		sentences = append(sentences, sentence(s.Classes[c].words(c)))
	}
	fit := s.ResidentFit
	switch {
	case fit.Growing() && len(sentences) > 0:
		sentences = append(sentences, "Resident memory grows "+report.Rate(fit.Slope)+".")
	case fit.Growing():
		return "Resident memory grows " + report.Rate(fit.Slope) + ", where memory was mapped before."
	case len(sentences) > 0:
		sentences = append(sentences, "Resident memory does not grow.")
	default:
		sentences = append(sentences, "No steady growth.")
		if larger := s.larger(); larger != "" {
			sentences = append(sentences, larger)
		}
	}
	return strings.Join(sentences, " ")
}

// Grows reports whether resident memory, or what may become that, grows beyond doubt.
func (s *Snapshot) Grows() bool {
	return !s.TooShort() && (s.ResidentFit.Growing() || len(s.GrowingClasses()) > 0)
}

// Answer says of the process whether it grows, and where: a predicate, whose subject is the
// process.
func (s *Snapshot) Answer() string {
	if s.TooShort() {
		return fmt.Sprintf("was watched for %s, too short to tell: %s", report.Seconds(s.End.Sub(s.Start).Seconds()), s.looks())
	}
	grows, does, is, ended := "grows ", "does not grow", "is ", ""
	if s.Gone {
		grows, does, is, ended = "grew ", "did not grow", "was ", " before it ended"
	}
	if s.ResidentFit.Growing() {
		return grows + report.Rate(s.ResidentFit.Slope) + ended + s.most()
	}
	if classes := s.GrowingClasses(); len(classes) > 0 {
		most := classes[0]
		return does + " in memory" + ended + ", only in addresses: " + most.name() + " by " + report.Rate(s.Classes[most].Fit.Slope)
	}
	const much = 1 << 20
	change := s.ResidentFit.Change
	if math.Abs(change) >= much {
		does += " steadily"
	}
	does += ended + ": resident memory " + is
	switch {
	case change > 0:
		return does + report.Size(uint64(change)) + " larger than at the start"
	case change < 0:
		return does + report.Size(uint64(-change)) + " smaller than at the start"
	}
	return does + "as large as at the start"
}

// TooShort reports whether growth cannot be told yet.
func (s *Snapshot) TooShort() bool { return s.Polls < trend.MinFit }

// looks says how often the mappings were looked at, where that is too seldom.
func (s *Snapshot) looks() string {
	return fmt.Sprintf("%d of the %d looks it takes", s.Polls, trend.MinFit)
}

// sentence makes a sentence of a clause.
func sentence(clause string) string { return strings.ToUpper(clause[:1]) + clause[1:] + "." }

// words says how a class grows.
func (st *ClassState) words(c Class) string {
	verb := " grows "
	if c.plural() {
		verb = " grow "
	}
	text := c.name() + verb + report.Rate(st.Fit.Slope)
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

// most names the class with the largest part of the resident growth. Where resident sizes are
// not known for the end, that is the one that grows fastest.
func (s *Snapshot) most() string {
	var gained, grows [NumClasses]float64
	for c := range NumClasses {
		if !s.ResidentAt.IsZero() && !s.ResidentAt.Before(s.End) {
			gained[c] = float64(s.Classes[c].ResidentGrowth)
		}
		if fit := s.Classes[c].Fit; fit.Growing() {
			grows[c] = fit.Slope
		}
	}
	most, part := greatest(gained)
	if part <= 0 {
		most, part = greatest(grows)
	}
	switch {
	case part <= 0:
		return ""
	case part < 0.5:
		return ", the largest part in " + most.name()
	}
	return ", most in " + most.name()
}

// greatest returns the class with the greatest value, and its part of those above 0. The part is
// 0 if there is none.
func greatest(values [NumClasses]float64) (most Class, part float64) {
	all := 0.
	for c, n := range values {
		all += max(n, 0)
		if n > values[most] {
			most = Class(c)
		}
	}
	if values[most] <= 0 {
		return most, 0
	}
	return most, values[most] / all
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
	return sentence(most.name() + verb + report.Size(uint64(change)) + " larger than at the start")
}
