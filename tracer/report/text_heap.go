package report

import (
	"io"
	"strings"
)

// heapLabel is the width of the labels of the text form.
const heapLabel = 13

// heapLists are how many entries --top leaves to lists of what matters less.
const heapLists = 5

// HeapText writes the report for people to read. opt.Top bounds the lists, 0 is all.
func HeapText(w io.Writer, r *HeapReport, opt TextOptions) error {
	p := newPrinter(opt)
	p.paragraph(span{"memtrace heap: ", bold}, escape(r.Answer), bold)
	p.heapHow(r)
	p.heapGrowing(r, opt)
	p.heapUnreachable(r, opt)
	p.heapHolders(r, opt)
	p.heapKinds(r, opt)
	p.heapSpace(&r.Blocks)
	p.heapPath(r.Path)
	for i := range r.Suppressed {
		p.paragraph(span{"suppressed: ", dim}, r.Suppressed[i].Hidden(), dim)
	}
	for i, n := range r.Notes {
		if i == 0 {
			p.newline()
		}
		p.paragraph(span{"note: ", bold}, escape(n), plain)
	}
	return p.flush(w)
}

// heapHow writes how the report came to be.
func (p *printer) heapHow(r *HeapReport) {
	p.paragraph(span{}, r.How(), dim)
	if !r.Complete {
		p.paragraph(span{"PARTIAL: ", alarm}, "see the notes", alarm)
	}
}

// heapLead is the label before the first line of a section, and the same in spaces before others.
func heapLead(label string, i int) span {
	if i > 0 {
		return span{text: strings.Repeat(" ", heapLabel)}
	}
	return span{pad(label, heapLabel), bold}
}

// shown is how many of n entries are shown.
func shown(n, top int) int {
	if top > 0 {
		return min(n, top)
	}
	return n
}

// more says how many entries a list leaves out.
func (p *printer) more(lead span, total, shown int) {
	if total > shown {
		p.flow(lead, 0, " ", span{"and " + Count(uint64(total-shown)) + " more (-T 0 lists all that are known)", dim})
	}
}

func (p *printer) heapGrowing(r *HeapReport, opt TextOptions) {
	const label = "GROWING"
	p.newline()
	if r.Looks < 3 {
		p.paragraph(heapLead(label, 0), "not known yet: that takes three looks", plain)
		return
	}
	lines, left := r.Grown(opt.Top)
	if len(lines) == 0 {
		p.paragraph(heapLead(label, 0), "nothing that stays", plain)
		return
	}
	n, wide := shown(len(lines), opt.Top), 0
	for _, g := range lines[:n] {
		wide = max(wide, columns(heapKind(g.Size, g.Kind)))
	}
	wide = min(wide, p.width/3)
	for i, g := range lines[:n] {
		p.heapGrowth(heapLead(label, i), g, wide)
	}
	p.more(heapLead("", 1), len(lines)+left, n)
}

func (p *printer) heapGrowth(lead span, g *HeapGrowth, wide int) {
	kind := cutRight(heapKind(g.Size, g.Kind), wide)
	items := []span{{strings.Repeat(" ", wide-columns(kind)) + kind, bold}}
	if rate := g.Rate(); rate != "" {
		st := plain
		if g.Class == HeapSteady || g.Class == HeapFilling {
			st = bold
		}
		items = append(items, span{rate, st})
	}
	items = append(items, span{text: g.Judged()})
	gap := "  "
	if p.width < defaultWidth {
		gap = " "
	}
	details := []span{{text: g.HeldBy()}}
	for _, why := range g.Why() {
		details = append(details, span{text: why})
	}
	p.flow(lead, columns(lead.text)+wide+len(gap), gap, append(items, joined(";", details)...)...)
}

func (p *printer) heapUnreachable(r *HeapReport, opt TextOptions) {
	const label = "UNREACHABLE"
	u := r.Unreachable
	if u == nil {
		p.paragraph(heapLead(label, 0), r.Unfollowed(), plain)
		return
	}
	if u.Certain.Blocks == 0 && u.Possible.Blocks == 0 {
		p.paragraph(heapLead(label, 0), u.Sums(), plain)
		return
	}
	p.paragraph(heapLead(label, 0), u.Sums(), bold)
	n := shown(len(u.Lost), opt.Top)
	for i := range u.Lost[:n] {
		p.paragraph(heapLead("", 1), u.Lost[i].String(), plain)
	}
	p.more(heapLead("", 1), u.LostTotal, n)
	p.paragraph(heapLead("", 1), r.Unseen(), dim)
}

func (p *printer) heapHolders(r *HeapReport, opt TextOptions) {
	if len(r.Holders) == 0 {
		return
	}
	n := shown(len(r.Holders), opt.Top)
	for i := range r.Holders[:n] {
		h := &r.Holders[i]
		text, st := h.HeapRoot.String()+" "+heapSum(h.Held), plain
		for _, more := range []string{h.Structure(), h.Trend()} {
			if more != "" {
				text += ", " + more
			}
		}
		if h.Growing {
			st = bold
		}
		p.paragraph(heapLead("HELD BY", i), text, st)
	}
	p.more(heapLead("", 1), r.HoldersTotal, n)
}

func (p *printer) heapKinds(r *HeapReport, opt TextOptions) {
	list := r.Parts()
	if len(list) == 0 {
		return
	}
	n := shown(len(list), opt.Top)
	var items []span
	for _, k := range list[:n] {
		items = append(items, span{text: k.Name() + ": " + heapSum(k.HeapSum)})
	}
	p.flow(heapLead("MADE OF", 0), 0, " ", joined(";", items)...)
}

func (p *printer) heapSpace(s *HeapSpace) {
	p.paragraph(heapLead("IN USE", 0), s.Used(), plain)
	p.paragraph(heapLead("FREE", 0), s.Kept(), plain)
	for i := range s.Skipped {
		k := &s.Skipped[i]
		p.paragraph(heapLead("SKIPPED", i), k.String(), plain)
	}
}
