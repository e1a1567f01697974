package report

import "fmt"

const (
	// besideIndent is where the groups that grow begin, besideDeep where lines about one do.
	besideIndent = 5
	besideDeep   = 7
	// besideFrames is how much is told of a stack that is not in the list: its functions from the
	// program's own on.
	besideFrames = 3
	// besideStacks is how many stacks are told of a group.
	besideStacks = 4
)

// heapBeside writes what grows in the heap, and who allocates that.
func (p *printer) heapBeside(r *Report, opt TextOptions) {
	h := r.Heap.Numbered(r)
	if h == nil {
		return
	}
	p.newline()
	lead, indent := span{"Heap: ", bold}, span{text: pad("", besideIndent)}
	if h.Looks == 0 {
		p.paragraph(lead, h.Unlooked(), plain)
		p.heapNotes(indent, h)
		return
	}
	text := h.Seen() + "; " + h.Found()
	p.paragraph(lead, text, plain)
	p.heapNotes(indent, h)
	if h.Unread != "" {
		p.paragraph(indent, escape(h.Unread), alarm)
	}
	n, wide := shown(len(h.Growing), opt.Top), 0
	if opt.Height > 0 {
		n = min(n, heapLists)
	}
	for i := range h.Growing[:n] {
		wide = max(wide, columns(heapKind(h.Growing[i].Size, h.Growing[i].Kind)))
	}
	wide = min(wide, p.width/3)
	before := p.lines()
	for i := range h.Growing[:n] {
		if opt.Height > 0 && i > 0 && p.lines()-before >= opt.Height/3 {
			n = i // the answer is not to scroll away
			break
		}
		g := &h.Growing[i]
		p.heapGrowth(span{text: pad("", besideIndent-1)}, &g.HeapGrowth, wide)
		p.heapOrigin(r, g, opt)
	}
	p.more(span{text: pad("", besideIndent)}, h.GrowingTotal, n)
	for i := range h.Suppressed {
		p.paragraph(indent, "suppressed: "+h.Suppressed[i].Hidden(), dim)
	}
	if h.Focus != nil && (opt.Height == 0 || h.Focus.Probed == 0) {
		p.paragraph(indent, h.Focus.Words(), dim)
	}
}

// heapNotes writes what there is to know of the looks.
func (p *printer) heapNotes(indent span, h *HeapBeside) {
	for _, n := range h.Notes {
		p.paragraph(indent, escape(n), dim)
	}
}

// heapOrigin writes who allocates a group.
func (p *printer) heapOrigin(r *Report, g *HeapOrigin, opt TextOptions) {
	lead := span{text: pad("", besideDeep)}
	if g.Traced > 0 {
		for i := range g.AllocatedBy {
			s := &g.AllocatedBy[i]
			if i == besideStacks {
				p.paragraph(lead, "and by "+counted(uint64(len(g.AllocatedBy)-i), "more stack"), plain)
				break
			}
			p.paragraph(lead, fmt.Sprintf("%s %s: %s", s.By(), heapStack(r, s, opt), g.Share(r, s)), plain)
		}
		if others := g.Others(r); others != "" {
			p.paragraph(lead, others, dim)
		}
		return
	}
	p.paragraph(lead, g.Others(r), plain)
	for i := range g.LooksLike[:min(len(g.LooksLike), besideStacks)] {
		s := &g.LooksLike[i]
		p.paragraph(lead, fmt.Sprintf("it looks like what %s allocates: %s", heapStack(r, s, opt), s.Alike()), plain)
	}
}

// heapStack names a stack: by its number, if that is shown, and its functions.
func heapStack(r *Report, s *HeapSource, opt TextOptions) string {
	if i := s.Number - 1; i >= 0 && i < len(shownStacks(r, opt)) && (opt.Verbose || !r.Stacks[i].hidden(r, true)) {
		return fmt.Sprintf("#%d (%s)", s.Number, s.Names(1))
	}
	return s.Names(besideFrames)
}
