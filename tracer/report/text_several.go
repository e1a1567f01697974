package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
)

// TextSeveral writes the reports of several processes for people to read: a line for each
// process, the worst first, then the stacks that leak in more than one of them, and then the
// reports in that order. Where lines are few only the worst process's report is written.
func TextSeveral(w io.Writer, list []*Report, opt TextOptions) error {
	list = WorstFirst(list)
	p := newPrinter(opt)
	p.processes(list, opt)
	p.allProcesses(list, opt)
	if err := p.flush(w); err != nil {
		return err
	}
	if opt.Height > 0 {
		return writeWorst(w, list, opt, opt.Height-p.lines())
	}
	said := make(map[string]bool)
	for _, r := range list {
		if err := writeAll(w, []byte("\n")); err != nil {
			return err
		}
		if err := Text(w, r.withoutHints(said), opt); err != nil {
			return err
		}
	}
	return nil
}

// withoutHints returns a copy of a report without the hints that are said already, and notes
// the others.
func (r *Report) withoutHints(said map[string]bool) *Report {
	c := *r
	c.Hints = nil
	for _, h := range r.Hints {
		if !said[h] {
			c.Hints = append(c.Hints, h)
		}
		said[h] = true
	}
	return &c
}

// writeWorst writes as much of the first report as fits into so many lines.
func writeWorst(w io.Writer, list []*Report, opt TextOptions, lines int) error {
	const around, least = 2, 4 // the blank line before, and the line after
	opt.Height = max(lines-around, least)
	var text bytes.Buffer
	if err := Text(&text, list[0], opt); err != nil {
		return err
	}
	text.WriteString("\n")
	shown := bytes.SplitAfterN(text.Bytes(), []byte("\n"), opt.Height+1)
	more := counted(uint64(len(list)-1), "more report") + ": --full shows"
	return writeAll(w, []byte("\n"), bytes.TrimRight(bytes.Join(shown[:min(len(shown), opt.Height)], nil), "\n"), []byte("\n"+more+"\n"))
}

// WorstFirst sorts reports: first those of processes that grow, by how fast they do, then
// those of processes whose children grow, and then all others.
func WorstFirst(list []*Report) []*Report {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *Report) int {
		x, y := a.badness(), b.badness()
		return cmp.Or(cmp.Compare(y.grows, x.grows), cmp.Compare(y.rank, x.rank), cmp.Compare(y.bytes, x.bytes))
	})
	return list
}

// badness is what processes are sorted by, in this order.
type badness struct {
	// grows is in bytes per second.
	grows float64
	rank  int
	bytes uint64
}

// Grows reports whether a process itself grows, and not only its children.
func (r *Report) Grows() bool { return r.badness().grows > 0 }

func (r *Report) badness() (b badness) {
	if r.Diagnosis == nil {
		return b
	}
	for i := range r.Diagnosis.Findings {
		f := &r.Diagnosis.Findings[i]
		if f.Kind != Children {
			b.grows = max(b.grows, f.BytesPerSecond.Value)
		}
		if i > 0 {
			continue
		}
		b.bytes = f.Bytes
		switch f.Kind {
		case Nothing:
		case TooShort, Held:
			b.rank = 1
		case Children:
			b.rank = 3
		default:
			b.rank = 2
		}
	}
	return b
}

// processes writes a line for each process.
func (p *printer) processes(list []*Report, opt TextOptions) {
	const part = 4 // of the lines at most, where these are few
	shown := list
	if most := max(opt.Height/part, 2); opt.Height > 0 && len(list) > most {
		shown = list[:most-1]
	}
	for _, r := range shown {
		text := r.Target.Who()
		if r.Diagnosis != nil {
			text = r.Diagnosis.Answer
		}
		if opt.Height > 0 {
			p.line(span{cutRight(escape(text), p.width), bold})
			continue
		}
		p.flow(span{}, 2, " ", bolden(words(text))...)
	}
	if rest := list[len(shown):]; len(rest) > 0 {
		grow := 0
		for _, r := range rest {
			if r.Grows() {
				grow++
			}
		}
		text := fmt.Sprintf("... and %s, ", Count(uint64(len(rest)))+" more")
		if grow == 0 {
			text += "none of which grows"
		} else {
			text += fmt.Sprintf("%d of which %s", grow, verb(grow, "grows", "grow"))
		}
		p.paragraph(span{}, text, plain)
	}
}

func bolden(spans []span) []span {
	for i := range spans {
		spans[i].style = bold
	}
	return spans
}
