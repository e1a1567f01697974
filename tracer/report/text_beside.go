package report

import (
	"fmt"
	"math"
	"strings"
)

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
	h := r.Heap.numbered(r)
	if h == nil {
		return
	}
	p.newline()
	lead, indent := span{"Heap: ", bold}, span{text: pad("", besideIndent)}
	if h.Looks == 0 {
		why := "not looked at yet"
		if h.Unread != "" {
			why = "not looked at: " + escape(h.Unread)
		}
		p.paragraph(lead, why, plain)
		p.heapNotes(indent, h)
		return
	}
	text := counted(uint64(max(h.Looks, 0)), "look")
	if h.Looks > 1 {
		text += " in " + Seconds(h.DurationSeconds)
	}
	text += fmt.Sprintf(" from outside, %s, %s in use", counted(h.InUse.Blocks, "block"), Size(h.InUse.Bytes))
	switch {
	case h.Looks < 3:
		text += "; what grows is not known yet, that takes three looks"
	case len(h.Growing) == 0:
		text += "; nothing is seen to grow that stays"
	default:
		text += "; what grows:"
	}
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
		p.paragraph(indent, "suppressed: "+heapHidden(&h.Suppressed[i]), dim)
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
			text := fmt.Sprintf("allocated by %s: %s", p.heapStack(r, s, opt), of(s.Blocks, g.Checked))
			if r.Mode == ModeWindows {
				text += ", as windows saw"
			}
			p.paragraph(lead, text, plain)
		}
		if g.Traced < g.Checked {
			text := "the others are gone since, or were not traced"
			if r.Mode == ModeWindows {
				text = "the others look like what was seen"
			}
			p.paragraph(lead, text, dim)
		}
		return
	}
	text := "who allocates it is not known: "
	switch every := g.SeenEverySeconds; {
	case g.Checked == 0:
		text += "none of its blocks was looked up"
	case r.Mode != ModeWindows:
		text += "its blocks are gone since, or were not traced"
	case every > 0:
		text += "no window saw it, and one sees such a call every " + about(every)
	default:
		text += "no window saw it"
	}
	p.paragraph(lead, text, plain)
	for i := range g.LooksLike[:min(len(g.LooksLike), besideStacks)] {
		s := &g.LooksLike[i]
		p.paragraph(lead, fmt.Sprintf("it looks like what %s allocates: %s of the same size and kind that others hold",
			p.heapStack(r, s, opt), counted(s.Blocks, "block")), plain)
	}
}

// about writes a time that is only an estimate.
func about(seconds float64) string {
	const minute = 60
	switch {
	case seconds < 2*minute:
		return fmt.Sprintf("%.0f s or so", math.Ceil(seconds))
	case seconds < 2*minute*minute:
		return fmt.Sprintf("%.0f min or so", seconds/minute)
	}
	return fmt.Sprintf("%.0f h or so", min(seconds/minute/minute, 1e6))
}

// of writes a part of blocks.
func of(part, all uint64) string { return Count(part) + " of " + counted(all, "block") }

// heapStack names a stack: by its number, if that is shown, and its functions.
func (p *printer) heapStack(r *Report, s *HeapSource, opt TextOptions) string {
	if i := s.Number - 1; i >= 0 && i < len(shownStacks(r, opt)) && (opt.Verbose || !r.Stacks[i].hidden(r, true)) {
		return fmt.Sprintf("#%d (%s)", s.Number, p.heapFrames(s, 1))
	}
	return p.heapFrames(s, besideFrames)
}

// heapFrames names some functions of a stack, from the program's own on.
func (p *printer) heapFrames(s *HeapSource, most int) string {
	if len(s.Frames) == 0 {
		return "a stack that is not known any more"
	}
	var names []string
	frames := s.Frames[min(max(s.OwnFrame, 0), len(s.Frames)-1):]
	for i := range frames {
		if len(names) == most || i > 0 && frames[i].Library {
			break
		}
		name := rowOf(&frames[i], 1)
		text := ShortName(name.name, heapNameColumns)
		if name.place != "" {
			text += " " + cutLeft(baseName(name.place), heapNameColumns/2)
		}
		names = append(names, text)
	}
	return strings.Join(names, " < ")
}
