package report

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// MemoryText writes the report for people to read. opt.Top bounds the list of segments.
func MemoryText(w io.Writer, r *MemoryReport, opt TextOptions) error {
	p := newPrinter(opt)
	p.paragraph(span{}, escape(r.Answer), bold)
	m := &r.Memory
	if !strings.Contains(r.Answer, "too short to tell") { // the verdict says nothing else then
		p.paragraph(span{text: "  "}, escape(m.Verdict), plain)
	}
	if !m.Complete {
		p.paragraph(span{"PARTIAL: ", alarm}, "see the notes", alarm)
	}
	when := "Watched for " + Seconds(r.DurationSeconds)
	if !r.End.IsZero() {
		when += " to " + r.End.Format(time.DateTime+" MST")
	}
	p.flow(span{}, 0, " ", span{escape(when) + ",", dim}, span{counted(uint64(max(m.Polls, 0)), "look") + ".", dim})
	p.newline()
	p.regions(m)
	for i := range m.Regions {
		if r := &m.Regions[i]; r.Growing && r.Interval != nil {
			p.paragraph(span{}, fmt.Sprintf("Rate of %s: %s to %s, with %.0f %% confidence", escape(r.Label),
				Rate(r.Interval.Low), Rate(r.Interval.High), 100*r.Interval.Confidence), plain)
		}
	}
	p.segments(m, nil, opt)
	for i, n := range m.Notes {
		if i == 0 {
			p.newline()
		}
		p.paragraph(span{"note: ", bold}, escape(n), plain)
	}
	return p.flush(w)
}

// addressSpace writes the address space that the stacks are a part of.
func (p *printer) addressSpace(r *Report, opt TextOptions) {
	m := r.Memory
	if m == nil {
		return
	}
	p.newline()
	p.regions(m)
	p.segments(m, shownStacks(r, opt), opt)
	for i, n := range m.Notes {
		if i == 0 {
			p.newline()
		}
		p.paragraph(span{"note: ", bold}, escape(n), plain)
	}
}

// machine writes how much memory the machine has.
func (p *printer) machine(r *Report, _ TextOptions) {
	s := r.System
	if s == nil {
		return
	}
	p.newline()
	p.paragraph(span{"System: ", bold}, fmt.Sprintf("%s of %s available; %s free; %s cached, of which %s (tmpfs and shared memory) "+
		"cannot be reclaimed; %s of %s swap in use. memtrace system tells more.",
		Size(s.AvailableBytes), Size(s.TotalBytes), Size(s.FreeBytes), Size(s.CachedBytes), Size(s.ShmemBytes),
		Size(s.Swap.TotalBytes-min(s.Swap.FreeBytes, s.Swap.TotalBytes)), Size(s.Swap.TotalBytes)), plain)
}

// column is a column of the table of regions. Columns of the highest rank are dropped first
// where the width does not allow all.
type column struct {
	head  string
	width int
	rank  int
	cell  func(r *Region) string
}

const labelWidth = 16

func (p *printer) regionColumns(m *Memory) []column {
	size := func(f func(r *Region) uint64) func(*Region) string {
		return func(r *Region) string { return Size(f(r)) }
	}
	all := []column{
		{"count", 7, 3, func(r *Region) string { return shortCount(r.Count) }},
		{"virtual", 11, 0, size(func(r *Region) uint64 { return r.VirtualBytes })},
		{"reserved", 11, 4, func(r *Region) string {
			if r.ReservedBytes == 0 {
				return "-"
			}
			return Size(r.ReservedBytes)
		}},
		{"resident", 11, 1, func(r *Region) string {
			if !m.ResidentKnown {
				return "unknown"
			}
			return Size(r.ResidentBytes)
		}},
		{"growth", 12, 2, func(r *Region) string { return signed(r.GrowthBytes) }},
		{"rate", 12, 5, func(r *Region) string {
			if !r.Growing {
				return "-"
			}
			return Rate(r.GrowthBytesPerSecond)
		}},
	}
	for {
		width, worst := labelWidth, 0
		for i, c := range all {
			width += c.width
			if c.rank > all[worst].rank {
				worst = i
			}
		}
		if width <= p.width {
			return all
		}
		all = append(all[:worst:worst], all[worst+1:]...)
	}
}

// shortCount writes a count in at most six columns.
func shortCount(n int) string {
	switch {
	case n < 1e6:
		return Count(uint64(max(n, 0)))
	case n < 1e9:
		return fmt.Sprintf("%.0f M", float64(n)/1e6)
	}
	return ">999 M"
}

// signed writes a change in bytes.
func signed(n int64) string {
	switch {
	case n == 0:
		return "-"
	case n < 0:
		return "-" + Size(uint64(-n))
	}
	return "+" + Size(uint64(n))
}

// regions writes the table of the classes that are present, and their sum.
func (p *printer) regions(m *Memory) {
	cols := p.regionColumns(m)
	head := pad("class", labelWidth)
	for _, c := range cols {
		head += fmt.Sprintf("%*s", c.width, c.head)
	}
	p.line(span{head, dim})
	row := func(r *Region, st style) {
		text := pad(cutRight(escape(r.Label), labelWidth), labelWidth)
		for _, c := range cols {
			text += fmt.Sprintf("%*s", c.width, c.cell(r))
		}
		p.line(span{text, st})
	}
	total := Region{Label: "total", VirtualBytes: m.VirtualBytes, ResidentBytes: m.ResidentBytes}
	for i := range m.Regions {
		r := &m.Regions[i]
		total.Count += r.Count
		total.ReservedBytes = addClamped(total.ReservedBytes, r.ReservedBytes)
		total.GrowthBytes += r.GrowthBytes
		if r.VirtualBytes == 0 && r.Count == 0 && r.GrowthBytes == 0 {
			continue
		}
		st := plain
		if r.Growing {
			st = bold
		}
		row(r, st)
	}
	row(&total, plain)
	change := "unchanged"
	switch n := m.ResidentGrowthBytes; {
	case n > 0:
		change = Size(uint64(n)) + " more than at the start"
	case n < 0:
		change = Size(uint64(-n)) + " less than at the start"
	}
	p.paragraph(span{}, "Resident by the kernel's count: "+Size(m.StatmResidentBytes)+", "+change, plain)
}
