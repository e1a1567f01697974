package region

import (
	"cmp"
	"slices"
	"time"

	"memtrace/tracer/trend"
)

// maxGrowing is how many growing segments a Snapshot lists.
const maxGrowing = 100

// Snapshot is what a Sampler knows at one moment.
type Snapshot struct {
	// Start and End are the times of the first and the last poll. Polls is how often the
	// mappings were read.
	Start, End time.Time
	Polls      int
	// Classes is indexed by Class.
	Classes [NumClasses]ClassState
	// Virtual and Resident are the sums over Classes. Resident sizes were last read at
	// ResidentAt, or never if that is zero.
	Virtual, Resident uint64
	ResidentAt        time.Time
	// StatmVirtual and StatmResident are the kernel's totals, read right after the last poll.
	// They differ from the sums if the process was at work in between.
	StatmVirtual, StatmResident uint64
	// ResidentFit is the fit of StatmResident, VirtualFit that of StatmVirtual. DataFit is that
	// of private memory that can be written.
	ResidentFit, VirtualFit, DataFit trend.Fit
	// Mappings is the number of mappings, MappingsFit its fit.
	Mappings    int
	MappingsFit trend.Fit
	// Growing are the segments of growing classes that grew most, largest growth first.
	// GrowingTotal is how many grew.
	Growing      []GrowingSegment
	GrowingTotal int
	// OwnLooks is how often resident sizes were read, or known not to have changed.
	OwnLooks int
	// Mapped is the memory that has an origin.
	Mapped map[Mapped]Extent
	// Moments are what was there at the looks at the mappings, in order of time.
	Moments []Moment
	// Gone: the process has ended; everything here is from the last poll before that.
	Gone bool
	// Restarted: the process has executed another program; everything here is since then.
	Restarted bool
	// Truncated: there were more mappings than are kept apart. The excess counts for its class
	// but cannot be listed as growing segments.
	Truncated bool
	// Unlocated is the number of threads whose stacks were not found. Those stacks count as
	// Mmap.
	Unlocated int
	// SmapsErr is the reason why resident sizes could not be read, if any.
	SmapsErr error
}

// ClassState is one class in a Snapshot.
type ClassState struct {
	Total
	// ResidentGrowth is the resident bytes gained since the first poll.
	ResidentGrowth int64
	// OwnGrowth is the same of Own, OwnFit its fit.
	OwnGrowth int64
	OwnFit    trend.Fit
	// Fit is the fit of the usable bytes, Virtual less Reserved.
	Fit trend.Fit
	// Step is the size in bytes of the steps in which the class has grown, if StepKnown.
	// Otherwise the steps ranged from Smallest to Greatest. Steps is how many there were;
	// several between two polls may count as one.
	Step, Smallest, Greatest uint64
	StepKnown                bool
	Steps                    uint64
}

// Mapped identifies the memory of one class that one origin has mapped.
type Mapped struct {
	Origin uint64
	Class  Class
}

// Extent is an amount of memory, in bytes.
type Extent struct {
	// Virtual is the addresses. Usable is the part of them that can be accessed and does not
	// merely show the pages of a file.
	Virtual, Usable uint64
	// Own is the part that is memory of the process (see Total.Own). If resident sizes were not
	// read at the last poll, it is what they suggest that were read before, and Usable where
	// none were.
	Own uint64
	// Named: a part of it is of files, or of shared memory with a name.
	Named bool
	// Fit is that of Own, nil if that is not much.
	Fit *trend.Fit
}

// GrowingSegment is a segment that has grown.
type GrowingSegment struct {
	Segment
	// Then is how many of its bytes were usable at the first poll, Now how many at the last.
	Then, Now uint64
}

// Snapshot polls once more, including resident sizes, and returns what is known. If the
// process has ended it returns what was known before. The error is that of the poll, except
// ErrGone.
func (s *Sampler) Snapshot(now time.Time) (*Snapshot, error) {
	if err := s.poll(now, true, true); err != nil && !s.gone {
		return nil, err
	}
	return s.Last(), nil
}

// Last returns what is known from the last poll that succeeded, without polling. If none has
// succeeded yet, Polls is 0.
func (s *Sampler) Last() *Snapshot {
	snap := &Snapshot{
		Start: s.start, End: s.last, Polls: s.polls, ResidentAt: s.residentAt,
		StatmVirtual: s.statmVirtual, StatmResident: s.statmResident, ResidentFit: s.resident.Fit(),
		VirtualFit: s.virtual.Fit(), DataFit: s.data.Fit(), Mappings: s.now.count, MappingsFit: s.mappings.Fit(),
		Gone: s.gone, Restarted: s.restarted, Truncated: s.view.truncated, Unlocated: s.unlocated, SmapsErr: s.smapsErr,
	}
	for c := range NumClasses {
		total, g := s.totals[c], &s.grown[c]
		st := ClassState{
			Total: total, ResidentGrowth: int64(total.Resident - s.first[c].Resident),
			OwnGrowth: int64(total.Own - s.first[c].Own), OwnFit: s.own[c].Fit(), Fit: s.lines[c].Fit(),
			Smallest: g.smallest, Greatest: g.greatest, Steps: g.n,
		}
		st.Step, st.StepKnown = g.size()
		snap.Classes[c] = st
		snap.Virtual += total.Virtual
		snap.Resident += total.Resident
	}
	snap.OwnLooks = s.own[Text].Fit().N
	snap.Mapped, snap.Moments = s.extents(), s.history.Values()
	snap.Growing = s.growing(snap)
	snap.GrowingTotal = len(snap.Growing)
	snap.Growing = snap.Growing[:min(len(snap.Growing), maxGrowing)]
	return snap
}

// ResidentGrowth returns by how many bytes resident memory has changed since the first poll.
func (s *Sampler) ResidentGrowth() int64 { return int64(s.resident.Fit().Change) }

// growing lists the grown segments of the classes that grow.
func (s *Sampler) growing(snap *Snapshot) (list []GrowingSegment) {
	old := s.base
	for _, seg := range s.view.segments {
		for len(old) > 0 && old[0].End <= seg.Start {
			old = old[1:]
		}
		if !snap.Classes[seg.Class].Fit.Growing() {
			continue
		}
		then := overlap(old, &seg)
		if now := seg.usable(); now > then {
			list = append(list, GrowingSegment{Segment: seg, Then: then, Now: now})
		}
	}
	slices.SortStableFunc(list, func(a, b GrowingSegment) int { return cmp.Compare(b.Now-b.Then, a.Now-a.Then) })
	return list
}
