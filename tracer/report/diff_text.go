package report

import (
	"fmt"
	"io"
	"math"
	"time"
)

// DiffText writes the difference for people to read.
func DiffText(w io.Writer, d *Diff, opt TextOptions) error {
	p := newPrinter(opt)
	p.paragraph(span{}, escape(d.Answer), bold)
	p.diffSide("from ", &d.From, d)
	p.diffSide("to   ", &d.To, d)
	if d.Estimated {
		p.paragraph(span{}, "Estimated rates of leaks; [low - high] holds the true change if both 95 % intervals hold.", dim)
	}
	p.diffSums(d)
	shown := d.shown(opt)
	if opt.Height > 0 {
		opt.Frames = max(opt.Frames, 4)
	}
	layout := p.frameColumns(len(shown), func(i int) []Frame { return shown[i].Frames })
	for i := range shown {
		s := &shown[i]
		p.newline()
		p.diffHead(d, i, s)
		p.frames(s.stack(), layout, noFrame, opt)
	}
	if more := max(d.StacksTotal, len(d.Stacks)) - len(shown); more > 0 {
		p.newline()
		p.paragraph(span{}, counted(uint64(more), "more stack")+" changed: -T 0 lists all.", plain)
	}
	for i, n := range d.Notes {
		if i == 0 {
			p.newline()
		}
		p.paragraph(span{"note: ", bold}, escape(n), plain)
	}
	return p.flush(w)
}

// shown are the stacks to write: those that changed most.
func (d *Diff) shown(opt TextOptions) []DiffStack {
	n := len(d.Stacks)
	if opt.Top > 0 {
		n = min(n, opt.Top)
	}
	if opt.Height > 0 {
		const header, each = 8, 6
		n = min(n, max((opt.Height-header)/each, 1))
	}
	return d.Stacks[:n]
}

func (p *printer) diffSide(lead string, s *DiffSide, d *Diff) {
	items := texts(escape(s.Processes))
	if s.Source != "" {
		items = append(items, span{text: shortenPath(escape(s.Source), p.width/2)})
	}
	if !s.Time.IsZero() {
		items = append(items, span{text: s.Time.Format(time.DateTime + " MST")})
	}
	if s.Seconds > 0 {
		items = append(items, span{text: "after " + Seconds(s.Seconds)})
	}
	if s.Units != 1 {
		items = append(items, span{text: fmt.Sprintf("%g × %s", s.Units, escape(d.Per))})
	}
	if s.StacksTotal > 0 {
		items = append(items, span{text: fmt.Sprintf("only %s of %s stacks", Count(uint64(s.Listed)), Count(uint64(s.StacksTotal)))})
	}
	if !s.Complete {
		items = append(items, span{"INCOMPLETE", alarm})
	}
	p.flow(span{lead, dim}, 0, " ", joined(",", items)...)
}

// diffSums says how many stacks grew and shrank, and by how much.
func (p *printer) diffSums(d *Diff) {
	n := d.Counts
	text := fmt.Sprintf("%s to %s: ", d.Amount(d.Bytes.From), d.Amount(d.Bytes.To))
	grew := counted(uint64(n[DiffGrew]+n[DiffAppeared]), "stack") + " grew by " + d.Amount(d.Grew)
	if n[DiffAppeared] > 0 {
		grew += fmt.Sprintf(" (%d of them new)", n[DiffAppeared])
	}
	shrank := counted(uint64(n[DiffShrank]+n[DiffVanished]), "stack") + " shrank by " + d.Amount(d.Shrank)
	if n[DiffVanished] > 0 {
		shrank += fmt.Sprintf(" (%d of them gone)", n[DiffVanished])
	}
	text += grew + ", " + shrank + ", " + Count(uint64(d.Unchanged)) + " did not change"
	if n[DiffUncertain] > 0 {
		text += ", of " + Count(uint64(n[DiffUncertain])) + " it is uncertain"
	}
	p.paragraph(span{}, text+".", plain)
}

// diffHead writes the figures of a stack.
func (p *printer) diffHead(d *Diff, i int, s *DiffStack) {
	if s.Unlisted {
		p.flow(numbered("#", i), stackIndent, "  ", span{d.Amount(s.Bytes.From + s.Bytes.To), bold}, span{text: "in one list alone: not certain"})
		return
	}
	items := []span{{d.Signed(&s.Bytes), bold}}
	switch s.State {
	case DiffAppeared:
		items = append(items, span{text: "new"})
	case DiffVanished:
		items = append(items, span{text: "gone"})
	case DiffUncertain:
		items = append(items, span{text: "not certain"})
	}
	if s.State != DiffAppeared && s.State != DiffVanished {
		items = append(items, span{text: "from " + d.Amount(s.Bytes.From) + " to " + d.Amount(s.Bytes.To)})
	}
	if d.Per == "" && s.Blocks.Change != 0 {
		sign := "+"
		if s.Blocks.Change < 0 {
			sign = "-"
		}
		items = append(items, span{text: sign + counted(uint64(math.Abs(s.Blocks.Change)), "block")})
	}
	if s.Bytes.Change > 0 && d.Grew > 0 && s.State != DiffUncertain {
		items = append(items, span{text: percent(s.Bytes.Change/d.Grew) + " of what grew"})
	}
	p.flow(numbered("#", i), stackIndent, "  ", items...)
}
