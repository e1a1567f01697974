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
	// Start and End are the times of the first and the last poll, Polls is how
	// often the mappings were read.
	Start, End time.Time
	Polls      int
	// Classes is by Class.
	Classes [NumClasses]ClassState
	// Virtual and Resident sum up Classes. Resident sizes were read at
	// ResidentAt, never if that is zero.
	Virtual, Resident uint64
	ResidentAt        time.Time
	// StatmVirtual and StatmResident are what the kernel says of the whole, right
	// after the last poll; they differ from the sums where the process was at
	// work in between.
	StatmVirtual, StatmResident uint64
	// ResidentFit is of StatmResident.
	ResidentFit trend.Fit
	// Growing are the segments of growing classes that grew most, largest growth
	// first, GrowingTotal is how many grew.
	Growing      []GrowingSegment
	GrowingTotal int
	// Mapped is the bytes that can be used of what has an origin.
	Mapped map[Mapped]uint64
	// Gone: the process has ended; all is of the last poll before that.
	Gone bool
	// Restarted: the process has executed another program, and all is since then.
	Restarted bool
	// Truncated: there were more mappings than are told apart; those beyond count
	// for their class but not as growing segments.
	Truncated bool
	// Unlocated is how many threads have stacks that were not found, and count as
	// Mmap.
	Unlocated int
	// SmapsErr is why resident sizes could not be read, if so.
	SmapsErr error
}

// ClassState is one class in a Snapshot.
type ClassState struct {
	Total
	// ResidentGrowth is the resident bytes gained since the first poll.
	ResidentGrowth int64
	// Fit is of the bytes that can be used, Virtual less Reserved.
	Fit trend.Fit
	// Step is the bytes of one step by which the class has grown, if StepKnown;
	// otherwise the steps were from Smallest to Greatest. Steps is how many there
	// were; several between two polls may count as one.
	Step, Smallest, Greatest uint64
	StepKnown                bool
	Steps                    uint64
}

// Mapped is what one origin has mapped of one class.
type Mapped struct {
	Origin uint64
	Class  Class
}

// GrowingSegment is a segment that has grown.
type GrowingSegment struct {
	Segment
	// Then is how many of its bytes could be used at the first poll, Now at the
	// last.
	Then, Now uint64
}

// Snapshot polls once more, with the resident sizes, and says what is known. If
// the process has ended it says what was known before. The error is that of the
// poll, ErrGone apart.
func (s *Sampler) Snapshot(now time.Time) (*Snapshot, error) {
	if err := s.poll(now, true); err != nil && !s.gone {
		return nil, err
	}
	return s.Last(), nil
}

// Last says what is known since the last poll that succeeded, without another;
// nothing (Polls is 0) if none has yet.
func (s *Sampler) Last() *Snapshot {
	snap := &Snapshot{
		Start: s.start, End: s.last, Polls: s.polls, ResidentAt: s.residentAt,
		StatmVirtual: s.statmVirtual, StatmResident: s.statmResident, ResidentFit: s.resident.Fit(),
		Gone: s.gone, Restarted: s.restarted, Truncated: s.view.truncated, Unlocated: s.unlocated, SmapsErr: s.smapsErr,
	}
	for c := range NumClasses {
		total, g := s.totals[c], &s.grown[c]
		st := ClassState{
			Total: total, ResidentGrowth: int64(total.Resident - s.first[c].Resident), Fit: s.lines[c].Fit(),
			Smallest: g.smallest, Greatest: g.greatest, Steps: g.n,
		}
		st.Step, st.StepKnown = g.size()
		snap.Classes[c] = st
		snap.Virtual += total.Virtual
		snap.Resident += total.Resident
	}
	snap.Mapped = s.view.mapped()
	snap.Growing = s.growing(snap)
	snap.GrowingTotal = len(snap.Growing)
	snap.Growing = snap.Growing[:min(len(snap.Growing), maxGrowing)]
	return snap
}

// growing lists the segments that have grown of the classes that grow.
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
