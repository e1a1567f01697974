package report

import (
	"fmt"
	"math"
	"strings"
)

// mostListed is how many threads or modules a section lists.
const mostListed = 10

// peak writes when most was outstanding, and how much.
func (p *printer) peak(r *Report, _ TextOptions) {
	k := r.Peak
	if k == nil || k.Sum == (Sum{}) {
		return
	}
	doubt := ""
	if k.Approximate {
		doubt = "; frees were known late or lost, so that it may have been less then, or more at another time"
	}
	p.flow(span{"Peak: ", bold}, 0, " ", span{exactBytes(k.Bytes), bold}, span{text: "in " + counted(k.Blocks, "block") + ","},
		span{text: "when " + Seconds(k.AtSeconds) + " had been traced" + doubt})
}

// threads writes which threads have allocated what is outstanding.
func (p *printer) threads(r *Report, _ TextOptions) {
	lines := make([]sumLine, len(r.Threads))
	for i, t := range r.Threads {
		lines[i] = sumLine{t.Label(), t.Sum}
	}
	p.sums("Outstanding by thread:", lines)
}

// modules writes which modules of the program have allocated what is outstanding.
func (p *printer) modules(r *Report, _ TextOptions) {
	lines := make([]sumLine, len(r.Modules))
	for i, m := range r.Modules {
		lines[i] = sumLine{m.label(), m.Sum}
	}
	p.sums("Outstanding by module:", lines)
}

type sumLine struct {
	name string
	Sum
}

// sums writes a list of sums, the first ones each on a line.
func (p *printer) sums(title string, lines []sumLine) {
	if len(lines) == 0 {
		return
	}
	p.newline()
	p.paragraph(span{}, title, bold)
	var rest Sum
	for i, l := range lines {
		if i >= mostListed {
			rest = rest.Plus(l.Sum)
			continue
		}
		figures := Size(l.Bytes) + " in " + counted(l.Blocks, "block")
		p.flow(span{text: "  "}, stackIndent, "  ", span{figures, bold}, span{text: shortenPath(l.name, p.width-columns(figures)-4)})
	}
	if more := len(lines) - mostListed; more > 0 {
		p.paragraph(span{text: "  "}, fmt.Sprintf("%s more: %s in %s", Count(uint64(more)), Size(rest.Bytes), counted(rest.Blocks, "block")), plain)
	}
}

// label names a module.
func (m *ModuleSum) label() string {
	switch {
	case m.NotLookedUp:
		return "stacks that were not looked up"
	case m.Name == "":
		return "module not known"
	}
	return escape(m.Name)
}

// Label names a thread, safe for a terminal.
func (t *ThreadSum) Label() string {
	switch {
	case t.TID == 0:
		return "other threads"
	case t.Name == "":
		return fmt.Sprintf("thread %d", t.TID)
	}
	return fmt.Sprintf("%s (thread %d)", escape(t.Name), t.TID)
}

// measures writes what was measured of a stack, as far as it is asked for.
func (p *printer) measures(r *Report, s *Stack, opt TextOptions) {
	indent := span{text: pad("", stackIndent)}
	if opt.Show.Peak || opt.Verbose {
		var items []span
		if s.PeakBlocks > 0 {
			items = texts("peak " + Size(s.PeakBytes) + " in " + counted(s.PeakBlocks, "block"))
		}
		if s.TemporaryBlocks > 0 {
			items = append(items, span{text: Count(s.TemporaryBlocks) + " temporary (" + share(s.TemporaryBlocks, s.AllocatedBlocks) + ")"})
		}
		if opt.Show.Peak && r.Peak != nil && r.DurationSeconds > 0 {
			items = append(items, span{text: "allocates " + Rate(float64(s.AllocatedBytes)/r.DurationSeconds)})
		}
		if len(items) > 0 {
			p.flow(indent, 0, " ", joined(",", items)...)
		}
	}
	if opt.Show.Threads && len(s.Threads) > 0 {
		var items []span
		for _, t := range s.Threads {
			items = append(items, span{text: t.Label() + " " + Size(t.Bytes)})
		}
		p.flow(indent, 0, " ", joined(",", items)...)
	}
	if opt.Show.Lifetimes || opt.Verbose {
		p.classes(s, indent)
	}
}

// classes writes of which sizes the blocks of a stack were, and how long the freed ones lived.
func (p *printer) classes(s *Stack, indent span) {
	var total uint64
	var items []string
	for _, c := range s.Sizes {
		total += c.Blocks
	}
	for _, c := range s.Sizes {
		text := "up to " + Size(c.UpToBytes)
		if c.UpToBytes == math.MaxUint64 {
			text = "larger"
		}
		items = append(items, text+" "+share(c.Blocks, total))
	}
	if len(items) > 0 {
		p.paragraph(indent, "sizes "+strings.Join(items, ", "), plain)
	}
	total, items = 0, nil
	for _, c := range s.Lifetimes {
		total += c.Blocks
	}
	for _, c := range s.Lifetimes {
		text := "up to " + briefly(c.UpToSeconds)
		if c.UpToSeconds > 1e9 {
			text = "longer"
		}
		items = append(items, text+" "+share(c.Blocks, total))
	}
	if len(items) > 0 {
		p.paragraph(indent, "lived "+strings.Join(items, ", "), plain)
	}
}

// briefly writes a time of which parts of a millisecond matter.
func briefly(seconds float64) string {
	if seconds < 0.001 {
		return fmt.Sprintf("%.0f µs", 1e6*seconds)
	}
	return Seconds(seconds)
}

// measureLines is how many lines measures writes at most where lines are few.
func measureLines(opt TextOptions) (n int) {
	for _, shown := range []bool{opt.Show.Peak, opt.Show.Threads} {
		if shown {
			n++
		}
	}
	return n
}
