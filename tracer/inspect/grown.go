package inspect

import (
	"slices"
	"time"

	"memtrace/tracer/inspect/cohort"
	"memtrace/tracer/report"
)

// Grown is a group of blocks that grows, or seems to, with blocks of it.
type Grown struct {
	report.HeapGrowth
	// Members are blocks that have come since the first look, so many that all groups together stay
	// small.
	cohort.Members
}

// State is what looks have shown beside a trace.
type State struct {
	// Start is the first look, End the end of the last one; Took how long that took.
	Start, End time.Time
	Took       time.Duration
	Looks      int
	// Spent is the processor time of all looks.
	Spent time.Duration
	InUse report.HeapSum
	// Grown are the groups that grow, those that grow by most bytes first, before the third look
	// none. Total is how many there are.
	Grown []Grown
	Total int
	// Suppressed is what suppressions hid of them, Notes are remarks on the looks.
	Suppressed []report.Suppressed
	Notes      []string
	// Memory is about how many bytes are kept until the next look.
	Memory uint64
}

// Bounds of what a State has.
const (
	mostGrown   = 64
	mostMembers = 4096
)

// State says what is known so far. It reads all that is kept of the last look, and what that takes is
// counted as a part of the look.
func (l *Looker) State() State {
	before := l.processorTime()
	defer func() {
		more := l.processorTime() - before
		l.took += more
		l.spent += more
	}()
	s := State{
		Start: l.start, End: l.last.end, Took: l.last.end.Sub(l.began), Looks: l.looks, Spent: l.spent, Notes: slices.Concat(l.notes, l.partNotes()), Memory: l.kept(),
		InUse: report.HeapSum{Blocks: l.last.totals.InUse.Chunks, Bytes: l.last.totals.InUse.Bytes},
	}
	hidden := &suppressing{list: l.cfg.Suppressions}
	var groups []cohort.Growth
	for _, g := range l.cohorts.Growth() {
		one := l.growth(&g)
		if !one.Grows() || hidden.hides(one.Kind, &one.Holder, one.Now) {
			continue
		}
		if s.Total++; len(groups) < mostGrown {
			groups, s.Grown = append(groups, g), append(s.Grown, Grown{HeapGrowth: one})
		}
	}
	if s.Suppressed = hidden.sums; len(groups) == 0 {
		return s
	}
	for i, m := range l.cohorts.Members(groups, mostMembers) {
		s.Grown[i].Members = m
	}
	return s
}
