package main

import (
	"memtrace/tracer"
	"memtrace/tracer/report"
)

// report writes the reports of all processes.
func (s *session) report() error {
	s.limitMemory(s.tracer.Status())
	s.last = s.reports(s.out.form, s.top)
	return s.out.write(s.last)
}

// reports makes the reports of all processes as a form writes them, with so many stacks, 0 for all.
func (s *session) reports(form report.Form, top int) []*report.Report {
	const allBlocks = 0
	s.reporting.Lock()
	defer s.reporting.Unlock()
	reports := s.tracer.Snapshot(tracer.SnapshotOptions{
		Older:     s.older,
		Top:       top,
		Sort:      s.sort,
		Past:      s.sort.OfPast() || form.Totals,
		Blocks:    s.listBlocks(),
		MaxBlocks: allBlocks,
		Marks:     s.marks.list(),
		Heap:      s.heapLooks.of,
	})
	for _, r := range s.noted(reports) {
		r.Hints = report.Hints(r, s.packages.debugOf(r.Target.PID))
	}
	return reports
}
