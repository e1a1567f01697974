package report

import (
	"fmt"
	"math"
)

const (
	stackIndent  = 5  // of a stack's figures
	frameIndent  = 7  // of its frames
	minLocation  = 26 // columns that long function names leave for locations
	columnGap    = 2
	foldRunsOver = 3 // identical frames in a row that are still written out
)

// stacks writes the stacks, worst first, and the sum of the rest.
func (p *printer) stacks(r *Report, opt TextOptions) {
	shown := shownStacks(r, opt)
	layout := p.frameColumns(len(shown), func(i int) []Frame { return r.named(&shown[i]).Frames })
	var sum Sum
	for i := range shown {
		if e := shown[i].Estimate; e != nil && !e.listed() && !opt.Verbose {
			continue
		}
		p.newline()
		s := r.named(&shown[i])
		switch {
		case shown[i].Estimate != nil:
			p.estimateHead(r, i, opt)
		case shown[i].Kind == Grown:
			p.grownStack(r, i, &s, opt)
		default:
			p.stackHead(r, i, opt)
		}
		p.frames(&s, layout, opt)
		p.blocks(&s)
		p.spill()
		sum.Bytes = addClamped(sum.Bytes, shown[i].Bytes)
		sum.Blocks = addClamped(sum.Blocks, shown[i].Blocks)
	}
	p.remainder(r, len(shown), sum)
}

// shownStacks returns the stacks that are written out.
func shownStacks(r *Report, opt TextOptions) []Stack {
	if opt.Top > 0 && opt.Top < len(r.Stacks) {
		return r.Stacks[:opt.Top]
	}
	return r.Stacks
}

// addClamped adds without wrapping around.
func addClamped(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// remainder accounts for what is outstanding beyond the stacks shown, so that the figures of a
// report always add up.
func (p *printer) remainder(r *Report, shown int, sum Sum) {
	rest := Sum{
		Bytes:  r.Outstanding.Bytes - min(sum.Bytes, r.Outstanding.Bytes),
		Blocks: r.Outstanding.Blocks - min(sum.Blocks, r.Outstanding.Blocks),
	}
	hidden := max(r.StacksTotal, len(r.Stacks)) - shown
	if r.Mode == ModeWindows {
		p.unsuspected(r)
		if rest == (Sum{}) {
			return
		}
	}
	if hidden <= 0 && rest == (Sum{}) {
		return
	}
	p.newline()
	if hidden <= 0 {
		p.paragraph(span{}, "no stack is known for "+exactBytes(rest.Bytes)+
			" in "+counted(rest.Blocks, "block"), plain)
		return
	}
	verb := " hold "
	if hidden == 1 {
		verb = " holds "
	}
	p.flow(span{}, stackIndent, " ", texts(
		counted(uint64(hidden), "more stack")+verb+exactBytes(rest.Bytes),
		"in "+counted(rest.Blocks, "block")+" ("+share(rest.Bytes, r.Outstanding.Bytes)+"):",
		"-T 0 shows all")...)
}

// unsuspected says how many stacks have estimates that are not shown.
func (p *printer) unsuspected(r *Report) {
	hidden := max(r.StacksTotal-len(r.Stacks), 0)
	for i := range r.Stacks {
		if e := r.Stacks[i].Estimate; e != nil && !e.listed() {
			hidden++
		}
	}
	if hidden > 0 {
		p.newline()
		p.paragraph(span{}, counted(uint64(hidden), "more stack")+" with blocks that outlived a window, which nothing calls a leak: -v shows", plain)
	}
}

// numbered starts the first line of a stack: "#1", or "F1" for a stack of faults.
func numbered(mark string, i int) span {
	return span{fmt.Sprintf("%*s  ", stackIndent-2, fmt.Sprintf("%s%d", mark, i+1)), bold}
}

// headOf returns how the first line of the i-th stack begins: its number and how much it
// holds.
func headOf(r *Report, i int) (lead span, items []span) {
	s := &r.Stacks[i]
	items = []span{{exactBytes(s.Bytes), bold}}
	if r.Outstanding.Bytes > 0 {
		items = append(items, span{share(s.Bytes, r.Outstanding.Bytes), plain})
	}
	return numbered("#", i), items
}

// stackHead writes the figures of the i-th stack.
func (p *printer) stackHead(r *Report, i int, opt TextOptions) {
	s := &r.Stacks[i]
	lead, items := headOf(r, i)
	items = append(items, span{text: counted(s.Blocks, "block")})
	if way := ways(s.Served); way != "" {
		items = append(items, span{text: way})
	} else if s.Kind != "" {
		items = append(items, span{text: cutRight(escape(string(s.Kind)), 10)})
	}
	items = append(items, span{text: growth(s.GrowthBytesPerSecond, s.Bytes, r.DurationSeconds)})
	p.flow(lead, stackIndent, "  ", items...)

	indent := span{text: pad("", stackIndent)}
	items = texts("survival "+percent(s.Survival),
		Count(s.FreedBlocks)+" of "+counted(s.AllocatedBlocks, "allocation")+" freed", ages(s))
	p.flow(indent, 0, " ", joined(",", items)...)
	if opt.Verbose {
		items = texts("stack "+cutRight(escape(s.ID), 24), exactBytes(s.AllocatedBytes)+" allocated while traced")
		p.flow(indent, 0, " ", joined(",", items)...)
	}
}

// ages writes how old the blocks of s are.
func ages(s *Stack) string {
	young, old := seconds(s.YoungestSeconds), seconds(s.OldestSeconds)
	if young == old {
		return "age " + old
	}
	return "ages " + young + " - " + old
}

// row is a frame as it is shown: the name and its suffix on the left, the place on the right.
type row struct {
	name, suffix, place string
	// known: the function has a name. source: the place is a source file.
	known, source bool
}

// rowOf renders a frame that occurs n times in a row.
func rowOf(f *Frame, n int) row {
	r := row{name: escape(f.Function), known: f.Function != ""}
	if !r.known {
		r.name = fmt.Sprintf("0x%x", f.Address)
	}
	switch {
	case f.File != "":
		r.place, r.source = escape(f.File), true
		if f.Line > 0 {
			r.place += fmt.Sprintf(":%d", f.Line)
		}
	case f.Module != "":
		r.place = baseName(escape(f.Module)) + fmt.Sprintf("+0x%x", f.Offset)
	}
	if f.Inline {
		r.suffix = " (inlined)"
	}
	if n > 1 {
		r.suffix += fmt.Sprintf(" (repeated %s times)", Count(uint64(n)))
	}
	return r
}

// runLength returns how many frames at the start of frames count as one: the whole run of
// identical frames if it is long, else just the first.
func runLength(frames []Frame) int {
	n := 1
	for n < len(frames) && frames[n] == frames[0] {
		n++
	}
	if n > foldRunsOver {
		return n
	}
	return 1
}

// frameColumns returns the width of the column of function names. It is as wide as the longest
// name needs, but leaves locations their share of the line.
func (p *printer) frameColumns(stacks int, frames func(int) []Frame) int {
	room := p.width - frameIndent - columnGap
	most := max(room-minLocation, room/2)
	n := 0
	for s := 0; s < stacks && n < most; s++ {
		frames := frames(s)
		for i := 0; i < len(frames); {
			run := runLength(frames[i:])
			r := rowOf(&frames[i], run)
			n = max(n, columns(r.name+r.suffix))
			i += run
		}
	}
	return min(n, most)
}

// frames writes the call stack of s, with names in a column of nameColumns.
func (p *printer) frames(s *Stack, nameColumns int, opt TextOptions) {
	indent := span{text: pad("", frameIndent)}
	if n := s.GivenUpStacks; n > 0 {
		p.paragraph(indent, "(the sum of "+counted(n, "stack")+" given up for want of memory, those first that held least)", dim)
		return
	}
	if len(s.Frames) == 0 {
		p.line(indent, span{"(no call stack)", dim})
		return
	}
	shown := 0
	for i := 0; i < len(s.Frames); {
		if opt.Frames > 0 && shown == opt.Frames {
			p.paragraph(indent, "... "+counted(uint64(len(s.Frames)-i), "more frame"), dim)
			break
		}
		f := &s.Frames[i]
		run := runLength(s.Frames[i:])
		p.frame(rowOf(f, run), nameColumns)
		if opt.Verbose {
			text := fmt.Sprintf("0x%x", f.Address)
			if f.Module != "" {
				text += "  " + shortenPath(fmt.Sprintf("%s+0x%x", escape(f.Module), f.Offset),
					p.width-frameIndent-columnGap-columns(text)-2)
			}
			p.line(indent, span{pad("", columnGap) + text, dim})
		}
		shown++
		i += run
	}
	if s.Truncated {
		p.paragraph(indent, "... truncated: callers beyond are unknown", dim)
	}
}

// frame writes the line of one frame. A name wider than its column may push the place to the
// right, and is cut only where both do not fit.
func (p *printer) frame(r row, nameColumns int) {
	room := p.width - frameIndent - columnGap
	place := shortenPath(r.place, room-nameColumns)
	nameRoom := room - columns(place)
	if place == "" {
		nameRoom = room + columnGap
	}
	name := r.name
	// A suffix that leaves no room for the name is useless.
	if n := nameRoom - columns(r.suffix); n >= 8 {
		name = shortenName(name, n) + r.suffix
	} else {
		name = shortenName(name, nameRoom)
	}
	nameStyle, placeStyle := plain, plain
	if !r.known {
		nameStyle = dim
	}
	if !r.source {
		placeStyle = dim
	}
	if place == "" {
		p.line(span{text: pad("", frameIndent)}, span{name, nameStyle})
		return
	}
	gap := pad("", max(nameColumns-columns(name), 0)+columnGap)
	p.line(span{text: pad("", frameIndent)}, span{name, nameStyle}, span{text: gap}, span{place, placeStyle})
}

// blocks writes the list of single blocks, if the report has one.
func (p *printer) blocks(s *Stack) {
	if len(s.BlockList) == 0 {
		return
	}
	indent := pad("", stackIndent)
	p.line(span{text: indent + "blocks, largest first:"})
	widest := 0
	for _, b := range s.BlockList {
		widest = max(widest, len(Count(b.Bytes)))
	}
	for _, b := range s.BlockList {
		p.flow(span{text: pad("", frameIndent)}, 0, "  ",
			span{pad(fmt.Sprintf("0x%x", b.Address), 14), dim},
			span{fmt.Sprintf("%*s B", widest, Count(b.Bytes)), plain},
			span{seconds(b.AgeSeconds), plain})
	}
	if more := s.Blocks - min(s.Blocks, uint64(len(s.BlockList))); more > 0 {
		p.paragraph(span{text: pad("", frameIndent)}, "... "+counted(more, "more block"), plain)
	}
}
