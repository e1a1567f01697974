package report

import (
	"fmt"
	"strings"
)

// row is a frame as it is shown: the name and its suffix on the left, the place on the right.
type row struct {
	name, suffix, place string
	// known: the function has a name. source: the place is a source file.
	known, source bool
}

// text is all that is printed of a row.
func (r row) text() string { return r.name + r.suffix + "\x00" + r.place }

// rowOf renders a frame that occurs n times in a row.
func rowOf(f *Frame, n int) row {
	r := row{name: escape(f.Function), known: f.Function != ""}
	if f.generated() {
		r.name = f.Module
		if n > 1 {
			r.suffix = " (" + Count(uint64(n)) + " frames)"
		}
		return r
	}
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
// identical frames if it is long, or of generated code, else just the first.
func runLength(frames []Frame) int {
	n := 1
	if frames[0].generated() {
		for n < len(frames) && frames[n].generated() {
			n++
		}
		return n
	}
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

// frames writes the call stack of s, with names in a column of nameColumns. The frame with the index
// tell is named also where frames of libraries are folded.
func (p *printer) frames(s *Stack, nameColumns, tell int, opt TextOptions) {
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
			text := "... " + counted(uint64(n), "frame") + " of " + name
			if i <= tell && tell < i+n {
				text += " with " + ShortName(rowOf(&s.Frames[tell], 1).name, p.width/2)
			}
			p.paragraph(indent, text, dim)
			i += n
			continue
		}
		f := &s.Frames[i]
		run := runLength(s.Frames[i:])
		if opt.Verbose && f.generated() {
			run = 1 // each has its address
		}
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

// frame writes the line of one frame; own marks the program's first. A name wider than its column
// may push the place to the right, and is cut only where both do not fit.
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
