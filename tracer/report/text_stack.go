package report

import (
	"fmt"
	"math"
	"slices"
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
	layout := p.frameColumns(len(shown), func(i int) []Frame { return r.Named(&shown[i]).Frames })
	suspected := slices.ContainsFunc(r.Stacks, func(s Stack) bool { return s.Estimate != nil && s.Estimate.listed() })
	tell := tellApart(len(shown), func(i int) *Stack { s := r.Named(&shown[i]); return &s })
	var sum Sum
	for i := range shown {
		if shown[i].hidden(r, suspected) && !opt.Verbose {
			continue
		}
		if opt.Height == 0 || i == 0 {
			p.newline()
		}
		s := r.Named(&shown[i])
		switch {
		case shown[i].Estimate != nil:
			p.estimateHead(r, i, opt)
		case shown[i].Kind == Grown:
			p.grownStack(r, i, &s, opt)
		default:
			p.stackHead(r, i, opt)
		}
		p.freed(&shown[i])
		at, ok := tell[i]
		if !ok {
			at = noFrame
		}
		p.frames(&s, layout, at, opt)
		p.blocks(&s)
		p.spill()
		sum.Bytes = addClamped(sum.Bytes, shown[i].Bytes)
		sum.Blocks = addClamped(sum.Blocks, shown[i].Blocks)
	}
	p.remainder(r, shown, sum, opt)
}

// hidden reports whether a stack is not shown by default: survivors that are too few, and the
// growth of heaps, of which leaks are a part if any are suspected.
func (s *Stack) hidden(r *Report, suspected bool) bool {
	if s.Estimate != nil {
		return !s.Estimate.listed()
	}
	return s.Kind == Grown && r.Mode == ModeWindows && suspected
}

// fit returns how many stacks, and how many frames of each, fit into the lines that are left: as
// many frames as leave room for three stacks.
func (p *printer) fit(r *Report, shown []Stack, opt TextOptions) (fits []Stack, frames int) {
	const after, least, most, wanted = 3, 2, 8, 3 // the last lines say what is not shown
	left := opt.Height - p.lines() - after - p.linesOf((*printer).hints, r, opt) - p.linesOf((*printer).heapBeside, r, opt)
	if opt.Frames > 0 {
		return shown[:min(max(left/(2+opt.Frames), 1), len(shown))], opt.Frames
	}
	fit := 0
	for frames = most; frames >= least; frames-- {
		lines := 0
		for fit = 0; fit < len(shown); fit++ {
			const head, cut = 1, 1
			s := r.Named(&shown[fit])
			if lines += head + measureLines(opt) + min(len(s.Frames), frames+cut) + p.freedLines(&s); s.Truncated {
				lines++
			}
			if lines > left {
				break
			}
		}
		if fit >= min(wanted, len(shown)) {
			break
		}
	}
	return shown[:min(max(fit, 1), len(shown))], max(frames, least)
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

// remainder accounts for what is outstanding beyond the stacks shown and what is suppressed, so
// that the figures of a report always add up.
func (p *printer) remainder(r *Report, shown []Stack, sum Sum, opt TextOptions) {
	sum = sum.Plus(r.AllSuppressed().Sum)
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

// unsuspected says how many stacks with estimates are not shown.
func (p *printer) unsuspected(r *Report, shown []Stack, opt TextOptions) {
	var suspects, others int
	for i := range r.Stacks {
		switch e := r.Stacks[i].Estimate; {
		case e == nil || opt.Verbose && i < len(shown):
		case !e.listed():
			others++
		case i >= len(shown):
			suspects++
		}
	}
	others += max(r.StacksTotal-len(r.Stacks), 0)
	var items []string
	if suspects > 0 {
		items = append(items, counted(uint64(suspects), "more stack")+verb(suspects, " leaks", " leak")+" or may leak (-T 0 lists all)")
	}
	if others > 0 {
		items = append(items, counted(uint64(others), "more stack")+verb(others, " has", " have")+" survivors but too little evidence (-v lists them)")
	}
	if len(items) == 0 {
		return
	}
	if opt.Height == 0 {
		p.newline()
	}
	p.paragraph(span{}, strings.Join(items, "; ")+".", plain)
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// numbered starts the first line of a stack: "#1", or "F1" for a stack of faults.
func numbered(mark string, i int) span {
	return span{fmt.Sprintf("%*s  ", stackIndent-2, fmt.Sprintf("%s%d", mark, i+1)), bold}
}

// headOf returns how the first line of the i-th stack begins: its number and how much it
// holds.
func headOf(r *Report, i int, opt TextOptions) (lead span, items []span) {
	s := &r.Stacks[i]
	items = []span{{exactBytes(s.Bytes), bold}}
	if opt.Height > 0 {
		items[0].text = Size(s.Bytes)
	}
	if r.Outstanding.Bytes > 0 {
		items = append(items, span{share(s.Bytes, r.Outstanding.Bytes), plain})
	}
	return numbered("#", i), items
}

// holds says how much a stack that was counted holds.
func (s *Stack) holds(opt TextOptions) string {
	switch {
	case s.Blocks == 0 && s.YoungBytes > 0:
		return Size(s.YoungBytes) + " that moved or came just now"
	case s.Blocks == 0 && s.PeakBytes+s.FreedBlocks > 0:
		return "holds nothing now"
	case opt.Height > 0:
		return Size(s.Bytes) + " in " + counted(s.Blocks, "block")
	}
	return exactBytes(s.Bytes) + " in " + counted(s.Blocks, "block")
}

// stackHead writes the figures of the i-th stack.
func (p *printer) stackHead(r *Report, i int, opt TextOptions) {
	s := &r.Stacks[i]
	lead := numbered("#", i)
	var items []span
	if v := s.VerdictAndRate(); v != "" {
		items = append(items, span{v, bold})
	}
	items = append(items, span{s.holds(opt), bold})
	from := strings.Join(s.Served.ways(), " and ")
	if from == "" {
		from = cutRight(escape(string(s.Kind)), 10)
	}
	if s.Allocator != "" {
		from = strings.TrimRight(allocatorName(s.Allocator)+" "+from, " ")
	}
	if from != "" {
		items = append(items, span{text: from})
	}
	if opt.Height > 0 {
		if differs(s.Taken(), s.Bytes) {
			items = append(items, span{text: "takes " + Size(s.Taken())})
		}
		p.flow(lead, stackIndent, "  ", append(items, sinceMarkItem(r, s)...)...)
		p.measures(r, s, opt)
		return
	}
	if r.Outstanding.Bytes > 0 {
		items = append(items, span{text: share(s.Bytes, r.Outstanding.Bytes) + " of all"})
	}
	p.flow(lead, stackIndent, "  ", items...)
	indent := span{text: pad("", stackIndent)}
	items = texts(Count(s.FreedBlocks) + " of " + counted(s.AllocatedBlocks, "allocation") + " freed")
	if s.Blocks > 0 || s.FreedBlocks == 0 {
		items = append(items, texts(ages(s), "survival "+percent(s.Survival))...)
	}
	items = append(items, sinceMarkItem(r, s)...)
	if taken := s.Taken(); taken > s.Bytes {
		items = append(items, span{text: Size(taken) + " with malloc's headers"})
	}
	if s.ReplacedBytes > 0 && s.Class != ClassReplaces {
		items = append(items, span{text: Size(s.ReplacedBytes) + " of it replaces old blocks"})
	}
	if s.ReservedBytes > 0 && s.Class != ClassReserved {
		items = append(items, span{text: Size(s.ReservedBytes) + " more reserved"})
	}
	if s.MergedStacks > 1 {
		items = append(items, span{text: counted(uint64(s.MergedStacks), "like stack") + " in one"})
	}
	p.flow(indent, 0, " ", joined(",", items)...)
	p.measures(r, s, opt)
	if opt.Verbose {
		items = texts("stack "+cutRight(escape(s.ID), 24), exactBytes(s.AllocatedBytes)+" allocated while traced")
		p.flow(indent, 0, " ", joined(",", items)...)
		p.likes(s)
	}
}

// differs reports whether what malloc takes is so much more than was asked for that both are to be
// shown.
func differs(taken, asked uint64) bool { return taken > asked && taken-asked >= asked/2 }

// ages writes how old the blocks of s are.
func ages(s *Stack) string {
	young, old := Seconds(s.YoungestSeconds), Seconds(s.OldestSeconds)
	if young == old {
		return "age " + old
	}
	return "ages " + young + " - " + old
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
