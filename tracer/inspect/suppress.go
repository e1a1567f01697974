package inspect

import (
	"slices"

	"memtrace/tracer/diagnose/suppress"
	"memtrace/tracer/report"
)

// suppressing counts what suppressions hide.
type suppressing struct {
	list *suppress.List
	sums []report.Suppressed
}

// hides reports whether a pattern is found in a kind, or in the module or the name of its holder.
func (s *suppressing) hides(kind string, holder *report.HeapRoot, sum report.HeapSum) bool {
	by := s.list.Match([]report.Frame{{Function: kind}, {Module: holder.Module, Function: holder.Name}})
	if by == "" {
		return false
	}
	i := slices.IndexFunc(s.sums, func(o report.Suppressed) bool { return o.Pattern == by })
	if i < 0 {
		i = len(s.sums)
		s.sums = append(s.sums, report.Suppressed{Pattern: by})
	}
	s.sums[i].Stacks++
	s.sums[i].Blocks += sum.Blocks
	s.sums[i].Bytes += sum.Bytes
	return true
}
