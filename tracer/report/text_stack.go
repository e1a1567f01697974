package report

import (
	"bytes"
	"fmt"
	"math"
	"strings"
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
	if opt.Height > 0 {
		shown, opt.Frames = p.fit(r, shown, opt)
	}
	layout := p.frameColumns(len(shown), func(i int) []Frame { return r.named(&shown[i]).Frames })
	var sum Sum
	for i := range shown {
		if e := shown[i].Estimate; e != nil && !e.listed() && !opt.Verbose {
			continue
		}
		if opt.Height == 0 || i == 0 {
			p.newline()
		}
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
	p.remainder(r, shown, sum, opt)
}

// fit returns how many stacks, and how many frames of each, fit into the lines that are left.
func (p *printer) fit(r *Report, shown []Stack, opt TextOptions) (fits []Stack, frames int) {
	// The last lines say what is not shown. A blank line comes before the first stack.
	const after, least, most, wanted = 3, 3, 8, 3
	left := opt.Height - bytes.Count(p.buf.Bytes(), []byte{'\n'}) - after
	for frames = most; frames > least; frames-- {
		if min(len(shown), wanted)*(2+frames) <= left {
			break
		}
	}
	if opt.Frames > 0 {
		frames = min(frames, opt.Frames)
	}
	n := max(left/(2+frames), 1) // one line for the head, one for the frames that are left out
	return shown[:min(n, len(shown))], frames
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
func (p *printer) remainder(r *Report, shown []Stack, sum Sum, opt TextOptions) {
	rest := Sum{
		Bytes:  r.Outstanding.Bytes - min(sum.Bytes, r.Outstanding.Bytes),
		Blocks: r.Outstanding.Blocks - min(sum.Blocks, r.Outstanding.Blocks),
	}
	hidden := max(r.StacksTotal, len(r.Stacks)) - len(shown)
	if r.Mode == ModeWindows {
		p.unsuspected(r, shown, opt)
		return
	}
	if hidden <= 0 && rest == (Sum{}) {
		return
	}
	if opt.Height == 0 {
		p.newline()
	}
	if hidden <= 0 {
		p.paragraph(span{}, "No stack is known for "+exactBytes(rest.Bytes)+" in "+counted(rest.Blocks, "block")+".", plain)
		return
	}
	verb := " hold "
	if hidden == 1 {
		verb = " holds "
	}
	p.flow(span{}, stackIndent, " ", texts(
		counted(uint64(hidden), "more stack")+verb+exactBytes(rest.Bytes),
		"in "+counted(rest.Blocks, "block")+" ("+share(rest.Bytes, r.Outstanding.Bytes)+"):",
		"-T 0 lists all")...)
}

// unsuspected says how many stacks have estimates that are not shown.
func (p *printer) unsuspected(r *Report, shown []Stack, opt TextOptions) {
	if opt.Verbose {
		return
	}
	var listed, all int
	for i := range r.Stacks {
		if e := r.Stacks[i].Estimate; e != nil {
			all++
			if e.listed() && i < len(shown) {
				listed++
			}
		}
	}
	all += max(r.StacksTotal-len(r.Stacks), 0)
	if hidden := all - listed; hidden > 0 {
		if opt.Height == 0 {
			p.newline()
		}
		verb := "have"
		if hidden == 1 {
			verb = "has"
		}
		p.paragraph(span{}, counted(uint64(hidden), "more stack")+" "+verb+" survivors but too little evidence (-v lists them, -T 0 all).", plain)
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

// verdict says what a stack that was counted is taken for.
func (s *Stack) verdict() string {
	switch s.Class {
	case ClassLeak:
		return "leaks " + Rate(s.LeakBytesPerSecond)
	case ClassPossible:
		return "may leak " + Rate(s.LeakBytesPerSecond)
	case ClassFilled:
		return "does not grow"
	case ClassReplaces:
		return "replaces old blocks"
	case ClassReserved:
		return "reserved, no memory"
	}
	return ""
}

// stackHead writes the figures of the i-th stack.
func (p *printer) stackHead(r *Report, i int, opt TextOptions) {
	s := &r.Stacks[i]
	lead := numbered("#", i)
	var items []span
	if v := s.verdict(); v != "" {
		items = append(items, span{v, bold})
	}
	size := exactBytes(s.Bytes)
	if opt.Height > 0 {
		size = Size(s.Bytes)
	}
	items = append(items, span{size + " in " + counted(s.Blocks, "block"), bold})
	if way := ways(s.Served); way != "" {
		items = append(items, span{text: way})
	} else if s.Kind != "" {
		items = append(items, span{text: cutRight(escape(string(s.Kind)), 10)})
	}
	if opt.Height > 0 {
		p.flow(lead, stackIndent, "  ", items...)
		return
	}
	if r.Outstanding.Bytes > 0 {
		items = append(items, span{text: share(s.Bytes, r.Outstanding.Bytes) + " of all"})
	}
	p.flow(lead, stackIndent, "  ", items...)
	indent := span{text: pad("", stackIndent)}
	items = texts(Count(s.FreedBlocks)+" of "+counted(s.AllocatedBlocks, "allocation")+" freed", ages(s), "survival "+percent(s.Survival))
	if taken := s.Taken(); taken > s.Bytes {
		items = append(items, span{text: Size(taken) + " with malloc's headers"})
	}
	if s.ReplacedBytes > 0 && s.Class != ClassReplaces {
		items = append(items, span{text: Size(s.ReplacedBytes) + " of it replaces old blocks"})
	}
	if s.ReservedBytes > 0 && s.Class != ClassReserved {
		items = append(items, span{text: Size(s.ReservedBytes) + " of it reserved"})
	}
	if s.MergedStacks > 1 {
		items = append(items, span{text: counted(uint64(s.MergedStacks), "like stack") + " in one"})
	}
	p.flow(indent, 0, " ", joined(",", items)...)
	if opt.Verbose {
		items = texts("stack "+cutRight(escape(s.ID), 24), exactBytes(s.AllocatedBytes)+" allocated while traced")
		p.flow(indent, 0, " ", joined(",", items)...)
	}
}

// ages writes how old the blocks of s are.
func ages(s *Stack) string {
	young, old := Seconds(s.YoungestSeconds), Seconds(s.OldestSeconds)
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
	end := len(s.Frames)
	for opt.Height > 0 && end > 1 && s.Frames[end-1].Library {
		end-- // every program or thread begins there
	}
	for i := 0; i < end; {
		if opt.Frames > 0 && shown == opt.Frames && i+1 < end {
			p.paragraph(indent, "... "+counted(uint64(len(s.Frames)-i), "more frame"), dim)
			break
		}
		shown++
		if n, name := library(s, i); n > foldLibraryOver && !opt.Verbose {
			p.paragraph(indent, "... "+counted(uint64(n), "frame")+" of "+name, dim)
			i += n
			continue
		}
		f := &s.Frames[i]
		run := runLength(s.Frames[i:])
		p.frame(rowOf(f, run), nameColumns, i == s.OwnFrame && !f.Library && len(s.Frames) > 1)
		if opt.Verbose {
			text := fmt.Sprintf("0x%x", f.Address)
			if f.Module != "" {
				text += "  " + shortenPath(fmt.Sprintf("%s+0x%x", escape(f.Module), f.Offset),
					p.width-frameIndent-columnGap-columns(text)-2)
			}
			p.line(indent, span{pad("", columnGap) + text, dim})
		}
		i += run
	}
	if s.Truncated {
		p.paragraph(indent, "... callers beyond are unknown", dim)
	}
}

// foldLibraryOver is how many frames of a library in a row are still written out.
const foldLibraryOver = 2

// library returns how many frames of libraries follow from the i-th on, and what to call them.
func library(s *Stack, i int) (n int, name string) {
	for n < len(s.Frames)-i && s.Frames[i+n].Library {
		f := &s.Frames[i+n]
		of := escape(baseName(f.Module))
		if strings.Contains(f.Function, "std::") || strings.Contains(f.Function, "core::") || strings.Contains(f.Function, "alloc::") {
			of = "std"
		}
		switch name {
		case "", of:
			name = of
		default:
			name = "libraries"
		}
		n++
	}
	return n, name
}

// frame writes the line of one frame; own marks the program's first. A name wider than its column may push the place to the
// right, and is cut only where both do not fit.
func (p *printer) frame(r row, nameColumns int, own bool) {
	indent := span{text: pad("", frameIndent)}
	if own {
		indent = span{pad("", frameIndent-2) + "> ", bold}
	}
	room := p.width - frameIndent - columnGap
	place := shortenPath(r.place, room-nameColumns)
	nameRoom := room - columns(place)
	if place == "" {
		nameRoom = room + columnGap
	}
	name := r.name
	// A suffix that leaves no room for the name is useless.
	if n := nameRoom - columns(r.suffix); n >= 8 {
		name = ShortName(name, n) + r.suffix
	} else {
		name = ShortName(name, nameRoom)
	}
	nameStyle, placeStyle := plain, plain
	if own {
		nameStyle = bold
	}
	if !r.known {
		nameStyle = dim
	}
	if !r.source {
		placeStyle = dim
	}
	if place == "" {
		p.line(indent, span{name, nameStyle})
		return
	}
	gap := pad("", max(nameColumns-columns(name), 0)+columnGap)
	p.line(indent, span{name, nameStyle}, span{text: gap}, span{place, placeStyle})
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
			span{Seconds(b.AgeSeconds), plain})
	}
	if more := s.Blocks - min(s.Blocks, uint64(len(s.BlockList))); more > 0 {
		p.paragraph(span{text: pad("", frameIndent)}, "... "+counted(more, "more block"), plain)
	}
}
