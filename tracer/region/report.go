package region

import (
	"errors"
	"fmt"
	"math"

	"memtrace/tracer/report"
	"memtrace/tracer/trend"
)

// Report converts the snapshot for reports. The segments are those of Growing; only the caller
// knows what their origins mean.
func (s *Snapshot) Report() *report.Memory {
	m := &report.Memory{
		Polls: s.Polls, VirtualBytes: s.Virtual, ResidentBytes: s.Resident,
		StatmVirtualBytes: s.StatmVirtual, StatmResidentBytes: s.StatmResident,
		ResidentGrowthBytes: int64(s.ResidentFit.Change), ResidentGrowthBytesPerSecond: s.ResidentFit.Slope,
		ResidentGrowing: s.ResidentFit.Growing(),
		ResidentKnown:   !s.ResidentAt.IsZero(),
		OwnKnown:        s.OwnLooks >= trend.MinFit,
		Complete:        !s.Gone && s.SmapsErr == nil,
		Verdict:         s.Verdict(), SegmentsTotal: s.GrowingTotal, Notes: s.notes(),
	}
	for c := range NumClasses {
		st := &s.Classes[c]
		m.Regions = append(m.Regions, report.Region{
			Class: Class(c).String(), Label: Class(c).Label(), Count: st.Count,
			VirtualBytes: st.Virtual, ReservedBytes: st.Reserved, ResidentBytes: st.Resident,
			GrowthBytes: int64(st.Fit.Change), GrowthBytesPerSecond: st.Fit.Slope,
			ResidentGrowthBytes: st.ResidentGrowth, Growing: st.Fit.Growing(),
			OwnBytes: st.Own, OwnGrowthBytes: st.OwnGrowth, OwnGrowing: st.OwnFit.Growing(), OwnGrowthBytesPerSecond: st.OwnFit.Slope,
		})
		if fit := st.Fit; !math.IsInf(fit.Low, 0) && !math.IsInf(fit.High, 0) {
			m.Regions[c].Interval = &report.Interval{Low: fit.Low, High: fit.High, Confidence: trend.Confidence}
		}
	}
	for i := range s.Growing {
		g := &s.Growing[i]
		m.Segments = append(m.Segments, report.Segment{
			Start: g.Start, End: g.End, Class: g.Class.String(), Label: g.Class.Label(), ThenBytes: g.Then, NowBytes: g.Now,
			Count: g.Items, Name: g.Name,
		})
	}
	return m
}

// notes returns what limits the figures.
func (s *Snapshot) notes() (notes []string) {
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if s.Gone {
		add("the process has ended: partial, sizes are those of the last poll, resident sizes by class those of %s", s.residentAge())
	}
	switch {
	case s.SmapsErr == nil || s.Gone:
	case errors.Is(s.SmapsErr, ErrNotPermitted):
		add("smaps may not be read: partial, without resident sizes by class")
	default:
		add("smaps cannot be read (%v): partial, without resident sizes by class", s.SmapsErr)
	}
	if s.Restarted {
		add("the process has executed another program: figures are since then")
	}
	if s.Truncated {
		add("more than %s regions: those beyond are counted, but not searched for chunks nor listed", report.Count(maxSegments))
	}
	if s.Unlocated > 0 {
		add("stacks not found of %d threads: they count as anonymous mmaps", s.Unlocated)
	}
	if !s.Gone && s.StatmVirtual != s.Virtual {
		add("the mappings changed while they were read: the kernel counts %s in all", report.Size(s.StatmVirtual))
	}
	return notes
}

func (s *Snapshot) residentAge() string {
	if s.ResidentAt.IsZero() {
		return "no poll"
	}
	if !s.ResidentAt.After(s.Start) {
		return "the start"
	}
	return fmt.Sprintf("%.0f s after the start", s.ResidentAt.Sub(s.Start).Seconds())
}
