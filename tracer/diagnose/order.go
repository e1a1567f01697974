package diagnose

import (
	"cmp"
	"slices"

	"memtrace/tracer/book/sample"
	"memtrace/tracer/report"
)

// Order is what the stacks of a report are sorted by, the largest first.
type Order string

// The orders.
const (
	// ByLeak puts leaks first, by how fast they leak, and all else by size.
	ByLeak     Order = "leak"
	BySize     Order = "size"
	ByCount    Order = "count"
	ByGrowth   Order = "growth"
	BySurvival Order = "survival"
	// ByPeak is by what stacks held when the process held most, ByTemporary by how many of their
	// blocks were temporary, ByRate by how much they allocate. ByThread puts together what threads
	// have allocated, and the thread first that has allocated most of what is held.
	ByPeak      Order = "peak"
	ByTemporary Order = "temporary"
	ByRate      Order = "rate"
	ByThread    Order = "thread"
	// BySinceMark is by what was allocated since the last mark and is still there.
	BySinceMark Order = "since-mark"
)

// Orders are all, the default first.
var Orders = []Order{ByLeak, BySize, ByCount, ByGrowth, BySurvival, BySinceMark, ByPeak, ByTemporary, ByRate, ByThread}

// OfPast reports whether stacks that hold nothing any more matter as well.
func (o Order) OfPast() bool { return o == ByPeak || o == ByTemporary || o == ByRate }

// OfThreads reports whether threads decide.
func (o Order) OfThreads() bool { return o == ByThread }

// Sort sorts the stacks of a finished report.
func Sort(stacks []report.Stack, by Order) {
	for i := range stacks {
		stacks[i].Bytes += stacks[i].ReservedBytes // it was a part while they were sorted
	}
	order(stacks, by)
	for i := range stacks {
		stacks[i].Bytes -= stacks[i].ReservedBytes
	}
}

// order puts the worst first: certain leaks, then possible ones, then all else. Counted stacks
// come before estimated ones that are no leak.
func order(stacks []report.Stack, by Order) {
	key := sortKey(by)
	if by == ByThread {
		key = threadKey(stacks)
	}
	ranked := by == ByLeak || slices.ContainsFunc(stacks, func(s report.Stack) bool { return s.Estimate != nil })
	places := make([]int, len(stacks)) // stacks are large to move
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(i, j int) int {
		a, b := &stacks[i], &stacks[j]
		ranks := cmp.Compare(given(a), given(b))
		if ranked {
			ranks = cmp.Compare(rank(a), rank(b))
		}
		return cmp.Or(ranks, cmp.Compare(key(b), key(a)), cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.ID, b.ID), cmp.Compare(i, j))
	})
	for i := range stacks {
		from := places[i]
		for from < i { // it was moved on to make room
			from = places[from]
		}
		stacks[i], stacks[from] = stacks[from], stacks[i]
	}
}

// given is 1 for the sum of the stacks that were given up, which comes last.
func given(s *report.Stack) int {
	if s.GivenUpStacks > 0 {
		return 1
	}
	return 0
}

// sortKey returns what stacks of one rank are sorted by, the largest first.
func sortKey(by Order) func(*report.Stack) float64 {
	estimated := func(e *report.Estimate) float64 { return e.LeakBytesPerSecond.Low }
	counted := func(s *report.Stack) float64 { return float64(s.Bytes) }
	switch by {
	case ByLeak:
		counted = func(s *report.Stack) float64 {
			if s.LeakBytesPerSecond > 0 {
				return s.LeakBytesPerSecond
			}
			return float64(s.Bytes - min(s.ReservedBytes, s.Bytes))
		}
	case ByCount:
		estimated = func(e *report.Estimate) float64 { return e.LeakBlocksPerSecond.Low }
		counted = func(s *report.Stack) float64 { return float64(s.Blocks) }
	case ByGrowth:
		estimated = func(*report.Estimate) float64 { return 0 }
		counted = func(s *report.Stack) float64 { return s.GrowthBytesPerSecond }
	case BySinceMark:
		estimated = func(*report.Estimate) float64 { return 0 } // that is not known
		counted = func(s *report.Stack) float64 { return float64(s.SinceMarkBytes) }
	case BySurvival:
		estimated = func(e *report.Estimate) float64 { return e.Survival }
		counted = func(s *report.Stack) float64 { return s.Survival }
	case ByPeak:
		counted = func(s *report.Stack) float64 { return float64(s.PeakBytes) }
	case ByTemporary:
		counted = func(s *report.Stack) float64 { return float64(s.TemporaryBlocks) }
	case ByRate:
		estimated = func(e *report.Estimate) float64 { return e.AllocationsPerSecond }
		counted = func(s *report.Stack) float64 { return float64(s.AllocatedBytes) } // in the same time
	}
	return func(s *report.Stack) float64 {
		if e := s.Estimate; e != nil {
			n := estimated(e)
			if by == ByLeak && s.LeakBytesPerSecond > 0 && e.LeakBytesPerSecond.Value > 0 {
				n *= s.LeakBytesPerSecond / e.LeakBytesPerSecond.Value // as the allocator takes it
			}
			return n
		}
		return counted(s)
	}
}

// threadKey is the key of ByThread: what the thread that has most of a stack has of all.
func threadKey(stacks []report.Stack) func(*report.Stack) float64 {
	all := make(map[int]uint64)
	most := func(s *report.Stack) int {
		if len(s.Threads) == 0 {
			return 0
		}
		return s.Threads[0].TID
	}
	for i := range stacks {
		for _, t := range stacks[i].Threads {
			if t.TID != 0 { // which stands for others, of which it is not known who has most
				all[t.TID] += t.Bytes
			}
		}
	}
	return func(s *report.Stack) float64 { return float64(all[most(s)]) }
}

// rank orders stacks by their verdict.
func rank(s *report.Stack) int {
	if s.Estimate != nil {
		switch sample.Class(s.Estimate.Class) {
		case sample.Leak:
			return 0
		case sample.Active:
			return 1
		case sample.Possible:
			return 2
		}
		return 6
	}
	switch {
	case s.GivenUpStacks > 0:
		return 7
	case s.Kind == report.Grown && s.Class == "":
		return 5
	case s.Class == report.ClassLeak:
		return 0
	case s.Class == report.ClassPossible:
		return 2
	case s.Class == report.ClassReplaces, s.Class == report.ClassReserved, s.Class == report.ClassInherited:
		return 4
	}
	return 3
}
