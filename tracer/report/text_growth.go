package report

import (
	"strings"
	"time"
)

// grownStacks lists the stacks that made the address space grow.
func (p *printer) grownStacks(r *Report, opt TextOptions) {
	shown := shownStacks(r, opt)
	columns := p.frameColumns(len(shown), func(i int) []Frame { return r.named(&shown[i]).Frames })
	var sum Sum
	for i := range shown {
		p.newline()
		s := r.named(&shown[i])
		p.grownStack(r, i, &s, opt)
		p.frames(&s, columns, opt)
		p.spill()
		sum.Bytes = addClamped(sum.Bytes, shown[i].Bytes)
		sum.Blocks = addClamped(sum.Blocks, shown[i].Blocks)
	}
	p.grownRemainder(r, len(shown), sum)
}

// growthTrouble says what was lost.
func (p *printer) growthTrouble(r *Report, _ TextOptions) {
	if text := losses(r); text != "" {
		p.newline()
		p.paragraph(span{"INCOMPLETE: ", alarm}, text, alarm)
	}
}

// watched writes how long the process was watched and what was observed.
func (p *printer) watched(r *Report, _ TextOptions) {
	when := "watched " + seconds(r.DurationSeconds)
	if !r.End.IsZero() {
		when += " to " + r.End.Format(time.DateTime+" MST")
	}
	p.flow(span{}, 0, " ", joined(",", texts(escape(when), "no probe in the process"))...)
	e := r.Events
	var items []span
	for _, c := range []struct {
		n    uint64
		noun string
	}{
		{e.Brk, "brk call"}, {e.Mmap, "mmap"}, {e.Munmap, "munmap"}, {e.Mremap, "mremap"}, {e.Mprotect, "mprotect"},
	} {
		if c.n > 0 {
			items = append(items, span{text: counted(c.n, c.noun)})
		}
	}
	if f := r.Growth.Faults; f.Sampled {
		items = append(items, span{text: "some " + counted(f.Count, "page fault")})
	}
	if r.Complete && !e.Lost.Any() {
		items = append(items, span{text: "nothing lost"})
	}
	p.flow(span{}, 0, " ", joined(",", items)...)
	if r.Target.Exited {
		p.paragraph(span{}, r.Target.ended(), plain)
	}
}

// grownTotals writes how much the address space has grown in all.
func (p *printer) grownTotals(r *Report, _ TextOptions) {
	p.newline()
	if r.Outstanding == (Sum{}) {
		p.paragraph(span{}, "The address space has not grown, or has given back all that it grew by.", bold)
	} else {
		p.flow(span{"Grown by: ", bold}, 0, " ", span{exactBytes(r.Outstanding.Bytes), bold},
			span{text: "in " + counted(r.Outstanding.Blocks, "range")}, span{text: "that were not given back"})
	}
	f := r.Growth.Faults
	switch {
	case !f.Sampled:
		p.paragraph(span{}, "Where memory is touched first this kernel does not tell.", plain)
	case f.Bytes > 0:
		p.paragraph(span{"Faulted in: ", bold}, "about "+Size(f.Bytes)+" that are still in memory (an estimate from "+
			counted(f.Samples, "sample")+")", plain)
	}
}

// classes names the classes of memory, largest first.
func classes(list []ClassBytes) string {
	if len(list) == 1 {
		return escape(list[0].Label)
	}
	var parts []string
	for _, c := range list {
		parts = append(parts, escape(c.Label)+" "+Size(c.Bytes))
	}
	return strings.Join(parts, ", ")
}

// grownStack writes the figures of the i-th stack.
func (p *printer) grownStack(r *Report, i int, s *Stack, opt TextOptions) {
	lead, items := headOf(r, i)
	what := classes(s.Grown)
	if s.InAllocator && len(s.Grown) == 1 && s.Grown[0].Class == "mmap" {
		what += " of the allocator"
	}
	items = append(items, span{text: what}, span{text: growth(s.GrowthBytesPerSecond, s.Bytes, r.DurationSeconds)})
	p.flow(lead, stackIndent, "  ", items...)
	text := counted(s.AllocatedBlocks, "growth")
	if s.FreedBlocks > 0 {
		text += ", " + Count(s.FreedBlocks) + " of them given back"
	}
	items = texts(text)
	if f := s.FaultedIn; f != nil && f.Samples == 0 {
		items = append(items, texts("next to nothing of it in memory (estimate, no sample)")...)
	} else if f != nil {
		items = append(items, texts("about "+Size(f.Bytes)+" of it in memory (estimate, "+counted(f.Samples, "sample")+")")...)
	}
	p.flow(span{text: pad("", stackIndent)}, 0, " ", joined(",", items)...)
	if opt.Verbose {
		items = texts("stack "+cutRight(escape(s.ID), 24), exactBytes(s.AllocatedBytes)+" grown while watched")
		p.flow(span{text: pad("", stackIndent)}, 0, " ", joined(",", items)...)
	}
}

// grownRemainder accounts for the growth beyond the stacks shown.
func (p *printer) grownRemainder(r *Report, shown int, sum Sum) {
	hidden := max(r.StacksTotal, len(r.Stacks)) - shown
	if hidden <= 0 {
		return
	}
	rest := r.Outstanding.Bytes - min(sum.Bytes, r.Outstanding.Bytes)
	verb := " hold "
	if hidden == 1 {
		verb = " holds "
	}
	p.newline()
	p.flow(span{}, stackIndent, " ", texts(counted(uint64(hidden), "more stack")+verb+exactBytes(rest),
		"("+share(rest, r.Outstanding.Bytes)+"):", "-T 0 shows all")...)
}

// faultStacks writes where memory was touched first.
func (p *printer) faultStacks(r *Report, opt TextOptions) {
	g := r.Growth
	shown := g.FaultStacks
	if opt.Top > 0 && opt.Top < len(shown) {
		shown = shown[:opt.Top]
	}
	if len(shown) == 0 {
		return
	}
	p.newline()
	p.paragraph(span{}, "Faulted in by (estimates, of what is still in memory)", bold)
	columns := p.frameColumns(len(shown), func(i int) []Frame { return r.namedFaults(&shown[i]).Frames })
	for i := range shown {
		s := r.namedFaults(&shown[i])
		p.newline()
		p.flow(numbered("F", i), stackIndent, "  ", span{"about " + Size(s.Bytes), bold}, span{text: share(s.Bytes, g.Faults.Bytes)},
			span{text: classes(s.Classes)}, span{text: counted(s.Samples, "sample")})
		p.frames(&Stack{Frames: s.Frames, Truncated: s.Truncated}, columns, opt)
		p.spill()
	}
	if hidden := max(g.FaultStacksTotal, len(g.FaultStacks)) - len(shown); hidden > 0 {
		p.newline()
		p.paragraph(span{}, "and "+counted(uint64(hidden), "smaller one"), plain)
	}
}
