package live

import (
	"fmt"
	"math"
	"slices"

	"memtrace/tracer/report"
)

// head returns what stands above the stacks, in at most so many lines. What matters least is left
// out first.
func (m *model) head(r *report.Report, most int) []string {
	const fewLines = 8
	answerLines := 3
	if most < fewLines {
		answerLines = 1
	}
	d := r.Diagnosis
	answer := fmt.Sprintf("%s (pid %d)", r.Target.Command, r.Target.PID)
	if d != nil {
		answer = d.Answer
	}
	var lines []string
	for _, text := range wrap(report.Escape(answer), m.width, answerLines, "  ") {
		lines = append(lines, m.line().add(bold, text).String())
	}
	optional := []func(*report.Report) string{m.basis, m.losses, m.deadline, m.heapOf, m.regions, m.note}
	for _, write := range optional {
		if text := write(r); text != "" && len(lines) < most {
			lines = append(lines, text)
		}
	}
	return lines
}

// deadline says when memory runs out.
func (m *model) deadline(r *report.Report) string {
	if r.Diagnosis == nil || r.Diagnosis.Deadline == nil {
		return ""
	}
	return m.line().add(alarm, "At this pace: "+report.Escape(r.Diagnosis.Deadline.Text)+".").String()
}

// basis says what the figures rest on, and what tracing costs.
func (m *model) basis(r *report.Report) string {
	long := report.Seconds(r.DurationSeconds)
	text := "exact for " + long
	if s := r.Sampling; s != nil {
		text = fmt.Sprintf("%s, %s of %s", report.Counted(uint64(max(s.Windows, 0)), "window", "windows"), report.Seconds(s.TracedSeconds), long)
	}
	cost := "cost unknown"
	if r.Overhead > 0 {
		cost = "costs " + report.Percent(r.Overhead)
	}
	lost := "nothing lost"
	if l := &r.Events.Lost; l.Any() {
		lost = "lost " + report.Count(l.Alloc+l.Free+l.Stack+l.Mmap)
	} else if !r.Complete {
		lost = "incomplete"
	}
	l := m.line().add(dim, text+"  ").add(dim, cost+"  ")
	if lost != "nothing lost" {
		l.add(alarm, lost)
	} else {
		l.add(dim, lost)
	}
	if m.load > 0 {
		l.add(dim, "  memtrace "+report.Percent(m.load)+" CPU")
	}
	return l.String()
}

// losses says how what was lost affects the figures.
func (m *model) losses(r *report.Report) string {
	text := r.Losses()
	if text == "" {
		return ""
	}
	return m.line().add(alarm, "INCOMPLETE: "+text).String()
}

// note is a remark of the caller's.
func (m *model) note(*report.Report) string {
	if m.cfg.Note == nil {
		return ""
	}
	return m.line().add(dim, report.Escape(m.cfg.Note())).String()
}

// regionNames are the classes that are shown, and what they are called here.
var regionNames = []struct{ class, name string }{
	{"brk", "brk heap"}, {"arena", "arenas"}, {"malloc_mmap", "malloc's mmaps"}, {"mmap", "mmap"},
}

// regions shows the resident memory of what an allocator or a program takes from the kernel.
func (m *model) regions(r *report.Report) string {
	if r.Memory == nil || !r.Memory.ResidentKnown {
		return m.line().add(dim, "resident memory: unknown").String()
	}
	h := m.histories[keyOf(r)]
	l := m.line()
	show := func(name string, bytes uint64, s *series) {
		drawn := s.spark(m.sparkWidth() / 2)
		text := name + " " + report.Size(bytes)
		if !h.marked.IsZero() {
			text += " " + since(s)
		}
		if l.left < m.width {
			text = "  " + text
		}
		if report.Columns(text)+1+report.Columns(drawn) > l.left {
			return // half of one would say less
		}
		l.add(plain, text+" "+drawn)
	}
	show("resident", r.Memory.ResidentBytes, &h.resident)
	for _, n := range regionNames {
		i := slices.IndexFunc(r.Memory.Regions, func(c report.Region) bool { return c.Class == n.class })
		if i >= 0 && r.Memory.Regions[i].ResidentBytes > 0 {
			show(n.name, r.Memory.Regions[i].ResidentBytes, h.regions[n.class])
		}
	}
	return l.String()
}

// since says how much a figure has grown since the mark.
func since(s *series) string {
	switch grown := s.sinceMark(); {
	case math.IsNaN(grown):
		return "unknown"
	case grown < 0:
		return "-" + report.Size(uint64(-grown))
	default:
		return "+" + report.Size(uint64(grown))
	}
}

// sparkWidth is how many looks a sparkline shows.
func (m *model) sparkWidth() int { return min(max(m.width/8, 4), looksKept/2) }
