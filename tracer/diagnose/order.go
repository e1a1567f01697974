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
	BySize     Order = "size"
	ByCount    Order = "count"
	ByGrowth   Order = "growth"
	BySurvival Order = "survival"
)

// sort puts the worst first: certain leaks, then possible ones, then all else. Counted stacks
// come before estimated ones that are no leak.
func (d *diagnosis) sort(order Order) {
	key := func(s *report.Stack) float64 {
		if e := s.Estimate; e != nil {
			return e.LeakBytesPerSecond.Low
		}
		return float64(s.Bytes)
	}
	switch order {
	case ByCount:
		key = func(s *report.Stack) float64 {
			if e := s.Estimate; e != nil {
				return e.LeakBlocksPerSecond.Low
			}
			return float64(s.Blocks)
		}
	case ByGrowth:
		key = func(s *report.Stack) float64 { return s.GrowthBytesPerSecond }
	case BySurvival:
		key = func(s *report.Stack) float64 {
			if e := s.Estimate; e != nil {
				return e.Survival
			}
			return s.Survival
		}
	}
	slices.SortStableFunc(d.stacks, func(a, b report.Stack) int {
		return cmp.Or(
			cmp.Compare(rank(&a), rank(&b)),
			cmp.Compare(key(&b), key(&a)),
			cmp.Compare(b.Bytes, a.Bytes),
			cmp.Compare(a.ID, b.ID))
	})
}

// rank orders stacks by their verdict.
func rank(s *report.Stack) int {
	if s.Estimate == nil && s.GivenUpStacks > 0 {
		return 5
	}
	if s.Estimate == nil {
		return 3
	}
	switch sample.Class(s.Estimate.Class) {
	case sample.Leak:
		return 0
	case sample.Active:
		return 1
	case sample.Possible:
		return 2
	}
	return 4
}
