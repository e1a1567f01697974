package report

import (
	"strings"
)

// grownTotals writes how much the address space has grown in all.
func (p *printer) grownTotals(r *Report) {
	switch grew := r.grew(); {
	case r.Outstanding == (Sum{}) && grew != "":
		p.paragraph(span{}, "No system call that was traced accounts for what grew: "+grew+".", bold)
	case r.Outstanding == (Sum{}) && r.Memory == nil:
		p.paragraph(span{}, "No system call that was traced made the address space grow.", bold)
	case r.Outstanding == (Sum{}):
		p.paragraph(span{}, "The address space has not grown, or has given back all that it grew by.", bold)
	default:
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

// grew says what has grown by the looks at the address space: in addresses that can be used, or in
// memory. It is empty if that is next to nothing.
func (r *Report) grew() string {
	const noise = 64 << 10
	if r.Memory == nil {
		return ""
	}
	var parts []string
	for i := range r.Memory.Regions {
		c := &r.Memory.Regions[i]
		if grown := max(c.GrowthBytes, c.ResidentGrowthBytes); grown >= noise && c.Class != "vdso" {
			parts = append(parts, escape(c.Label)+" by "+Size(uint64(grown)))
		}
	}
	if len(parts) == 0 && r.Memory.ResidentGrowthBytes >= noise {
		return "resident memory by " + Size(uint64(r.Memory.ResidentGrowthBytes))
	}
	return strings.Join(parts, ", ")
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
	lead, items := headOf(r, i, opt)
	what := classes(s.Grown)
	if s.InAllocator && len(s.Grown) == 1 && s.Grown[0].Class == "mmap" {
		what += " of the allocator"
	}
	items = append(items, span{text: what}, span{text: growth(s.GrowthBytesPerSecond, s.Bytes, r.DurationSeconds)})
	p.flow(lead, stackIndent, "  ", items...)
	if opt.Height > 0 {
		return
	}
	text := counted(s.AllocatedBlocks, "growth")
	if s.FreedBlocks > 0 {
		text += ", " + Count(s.FreedBlocks) + " of them given back"
	}
	items = append(texts(text), sinceMarkItem(r, s)...)
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

// aboutTouched reports whether the answer is about growth that no stack accounts for: then it
// matters where memory was touched.
func (r *Report) aboutTouched() bool {
	if r.Growth == nil || r.Diagnosis == nil || len(r.Diagnosis.Findings) == 0 {
		return false
	}
	first := &r.Diagnosis.Findings[0]
	return first.BytesPerSecond.Value > 0 && len(first.Stacks) == 0 && first.Kind != Children
}

// touchedFirst writes where memory was touched first if that is what the answer is about. Where
// lines are few there is one such stack, and room is left for a stack of another kind.
func (p *printer) touchedFirst(r *Report, opt TextOptions) {
	if !r.aboutTouched() {
		return
	}
	if opt.Height > 0 {
		const heads, others, least, most = 3, 7, 2, 8
		left := opt.Height - p.lines() - heads - p.linesOf((*printer).hints, r, opt)
		if len(r.Stacks) > 0 {
			left -= others
		}
		opt.Top = 1
		if opt.Frames == 0 {
			opt.Frames = min(max(left, least), most)
		}
	}
	p.faultStacks(r, opt)
}

// touched writes where memory was touched first, if it is not said already.
func (p *printer) touched(r *Report, opt TextOptions) {
	if !r.aboutTouched() && (opt.Height == 0 || opt.Show.Regions) {
		p.faultStacks(r, opt)
	}
}

// faultStacks writes where memory was touched first.
func (p *printer) faultStacks(r *Report, opt TextOptions) {
	g := r.Growth
	if g == nil || len(g.FaultStacks) == 0 {
		return
	}
	shown := g.FaultStacks
	if opt.Top > 0 {
		shown = shown[:min(opt.Top, len(shown))]
	}
	p.newline()
	p.paragraph(span{}, "Faulted in by (estimates, of what is still in memory)", bold)
	columns := p.frameColumns(len(shown), func(i int) []Frame { return r.NamedFaults(&shown[i]).Frames })
	for i := range shown {
		s := r.NamedFaults(&shown[i])
		if opt.Height == 0 {
			p.newline()
		}
		p.flow(numbered("F", i), stackIndent, "  ", span{"about " + Size(s.Bytes), bold}, span{text: share(s.Bytes, g.Faults.Bytes)},
			span{text: classes(s.Classes)}, span{text: counted(s.Samples, "sample")})
		p.frames(&Stack{Frames: s.Frames, OwnFrame: s.OwnFrame, Truncated: s.Truncated}, columns, noFrame, opt)
		p.spill()
	}
	if hidden := max(g.FaultStacksTotal, len(g.FaultStacks)) - len(shown); hidden > 0 && opt.Height == 0 {
		p.newline()
		p.paragraph(span{}, "and "+counted(uint64(hidden), "smaller one"), plain)
	}
}
