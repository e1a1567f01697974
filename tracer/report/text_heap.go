package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
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
		p.paragraph(span{"suppressed: ", dim}, heapHidden(&r.Suppressed[i]), dim)
	}
	for i, n := range r.Notes {
		if i == 0 {
			p.newline()
		}
		p.paragraph(span{"note: ", bold}, escape(n), plain)
	}
	return p.flush(w)
}

// heapHidden says what a suppression hides.
func heapHidden(s *Suppressed) string {
	return fmt.Sprintf("leak:%s hides %s in %s", escape(s.Pattern), Size(s.Bytes), counted(s.Blocks, "block"))
}

// heapHow writes how the report came to be.
func (p *printer) heapHow(r *HeapReport) {
	text := counted(uint64(max(r.Looks, 0)), "look")
	if r.Looks > 1 {
		text += " in " + Seconds(r.DurationSeconds)
	}
	how := "nothing stopped"
	if s := r.Stops; s != nil {
		how = "stopped for " + stall(s.LongestSeconds)
		if s.Times > 1 {
			how = fmt.Sprintf("stopped %s times for at most %s", Count(uint64(s.Times)), stall(s.LongestSeconds))
		}
		how += " to copy " + Size(s.CopiedBytes)
	}
	text += fmt.Sprintf(", %s, no probe; %s, %s in use, %s free",
		how, counted(r.Blocks.InUse.Blocks, "block"), Size(r.Blocks.InUse.Bytes), Size(r.Blocks.Free()))
	p.paragraph(span{}, text, dim)
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
	var lines []*HeapGrowth
	less := make(map[string]int) // of classes that are worth less room
	left := 0
	for i := range r.Growing {
		g := &r.Growing[i]
		if g.Class != HeapFading && !g.Grows() {
			continue
		}
		if g.Class == HeapFading || g.Class == HeapUnknown {
			if less[g.Class]++; opt.Top > 0 && less[g.Class] > heapLists {
				left++
				continue
			}
		}
		lines = append(lines, g)
	}
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
	switch g.Class {
	case HeapSteady:
		items = append(items, span{blocksWithin(g.PerMinute, g.Low, g.High), bold}, span{text: HeapSteady})
	case HeapFilling:
		items = append(items, span{blocksWithin(g.PerMinute, g.Low, g.High), bold}, span{text: "filling: a cache that is not full, or a leak"})
	case HeapFading:
		items = append(items, span{text: "fading: a cache"})
	default:
		items = append(items, span{text: blocksWithin(g.PerMinute, g.Low, g.High)}, span{text: "not certain yet"})
	}
	held := g.Holder.Held()
	if g.Shape != "" && g.Holder.Class != HeapUnreached {
		held += ", " + heapShape(g.Shape, g.Depth)
	}
	held += heapChanges(g)
	gap := "  "
	if p.width < defaultWidth {
		gap = " "
	}
	details := append([]span{{text: held}}, heapFilled(g)...)
	p.flow(lead, columns(lead.text)+wide+len(gap), gap, append(items, joined(";", details)...)...)
}

func heapChanges(g *HeapGrowth) string {
	if g.ByPlace {
		return "; contents change"
	}
	return ""
}

// heapFilled says why something is called filling, and what speaks for a cache beside that.
func heapFilled(g *HeapGrowth) (why []span) {
	if g.Class != HeapFilling {
		return nil
	}
	add := func(format string, args ...any) { why = append(why, span{text: fmt.Sprintf(format, args...)}) }
	if g.Slots != nil {
		add("%s of %s slots empty", Count(g.Slots.Empty), Count(g.Slots.Words))
	}
	if g.Slowing {
		add("grows less from look to look")
	}
	if g.Left > 0 {
		add("of %s that came %s left", Count(g.Came), Count(g.Left))
	}
	return why
}

// heapShape says in words what a structure looks like.
func heapShape(shape string, depth int) string {
	text := "a " + escape(shape)
	if strings.HasPrefix(shape, "array") {
		text = "an " + escape(shape)
	}
	if depth > 1 {
		text += fmt.Sprintf(" %s deep", Count(uint64(depth)))
	}
	return text
}

// heapSum writes bytes and blocks.
func heapSum(s HeapSum) string { return Size(s.Bytes) + " in " + Count(s.Blocks) }

func (p *printer) heapUnreachable(r *HeapReport, opt TextOptions) {
	const label = "UNREACHABLE"
	u := r.Unreachable
	if u == nil {
		p.paragraph(heapLead(label, 0), "not known yet: that takes three looks", plain)
		return
	}
	var sums []string
	for _, part := range []struct {
		sum  HeapSum
		word string
	}{{u.Certain, "certain"}, {u.Possible, "possible"}} {
		if part.sum.Blocks > 0 {
			sums = append(sums, fmt.Sprintf("%s, %s, %s", counted(part.sum.Blocks, "block"), Size(part.sum.Bytes), part.word))
		}
	}
	if len(sums) == 0 {
		p.paragraph(heapLead(label, 0), "nothing", plain)
		return
	}
	p.paragraph(heapLead(label, 0), strings.Join(sums, "; "), bold)
	n := shown(len(u.Lost), opt.Top)
	for i := range u.Lost[:n] {
		l := &u.Lost[i]
		text := fmt.Sprintf("%s of %s", Count(l.Roots), heapKind(l.Size, l.Kind))
		switch {
		case l.Cycle:
			text += ", in cycles"
		case l.All.Blocks > l.Roots:
			text += fmt.Sprintf(", with all that hangs on them %s blocks", heapSum(l.All))
		}
		text += fmt.Sprintf(", such as 0x%x", l.Address)
		if !l.Certain {
			text += ": possible"
			if l.Why != "" {
				text += ", " + escape(l.Why)
			}
		}
		p.paragraph(heapLead("", 1), text, plain)
	}
	p.more(heapLead("", 1), u.LostTotal, n)
	unseen := "not seen: pointers that are XORed, tagged in their high bits, compressed to 32 bits, unaligned, in shared memory alone, or in registers alone"
	if r.Stops != nil {
		unseen = "not seen: pointers that are XORed, tagged in their high bits, compressed to 32 bits, unaligned, or in shared memory alone"
	}
	p.paragraph(heapLead("", 1), unseen, dim)
}

// stall writes how long something was stopped.
func stall(seconds float64) string {
	if !(seconds < 1) {
		return Seconds(seconds)
	}
	return fmt.Sprintf("%.1f ms", 1000*seconds)
}

func (p *printer) heapHolders(r *HeapReport, opt TextOptions) {
	if len(r.Holders) == 0 {
		return
	}
	n := shown(len(r.Holders), opt.Top)
	var items []span
	for i := range r.Holders[:n] {
		h := &r.Holders[i]
		text := h.HeapRoot.String() + " " + heapSum(h.Held)
		if h.Shape != "" {
			text += ", " + heapShape(h.Shape, h.Depth)
		}
		st := plain
		switch {
		case h.Growing:
			text += ", growing " + BlocksPerMinute(h.PerMinute)
			st = bold
		case h.Varies:
			text += ", up and down"
		}
		items = append(items, span{text, st})
	}
	for i, it := range items {
		p.paragraph(heapLead("HELD BY", i), it.text, it.style)
	}
	p.more(heapLead("", 1), r.HoldersTotal, n)
}

func (p *printer) heapKinds(r *HeapReport, opt TextOptions) {
	// The same kinds are listed once for each holder.
	type key struct {
		size uint64
		kind string
	}
	sums := make(map[key]int)
	var list []HeapPart
	for _, k := range r.Kinds {
		i, ok := sums[key{k.Size, k.Kind}]
		if !ok {
			i = len(list)
			sums[key{k.Size, k.Kind}] = i
			list = append(list, HeapPart{Size: k.Size, Kind: k.Kind})
		}
		list[i].Blocks = addClamped(list[i].Blocks, k.Blocks)
		list[i].Bytes = addClamped(list[i].Bytes, k.Bytes)
	}
	if len(list) == 0 {
		return
	}
	slices.SortStableFunc(list, func(a, b HeapPart) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Size, b.Size), cmp.Compare(a.Kind, b.Kind))
	})
	n := shown(len(list), opt.Top)
	var items []span
	for _, k := range list[:n] {
		items = append(items, span{text: heapKind(k.Size, k.Kind) + ": " + heapSum(k.HeapSum)})
	}
	p.flow(heapLead("MADE OF", 0), 0, " ", joined(";", items)...)
}

func (p *printer) heapSpace(s *HeapSpace) {
	text := Size(s.InUse.Bytes) + " in " + counted(s.InUse.Blocks, "block")
	if s.Mapped.Blocks > 0 || s.MappedKnown.Blocks > 0 {
		text += fmt.Sprintf(", of them %s with mappings of their own", heapSum(s.Mapped))
		if s.MappedKnown.Blocks != s.Mapped.Blocks {
			text += fmt.Sprintf(" (malloc counts %s)", Count(s.MappedKnown.Blocks))
		}
	}
	p.paragraph(heapLead("IN USE", 0), text, plain)
	p.paragraph(heapLead("FREE", 0), fmt.Sprintf("%s in bins, %s in fastbins, %s in tcaches, %s at the top",
		Size(s.Bins.Bytes), Size(s.Fast.Bytes), Size(s.Cached.Bytes), Size(s.Top.Bytes)), plain)
	for i, k := range s.Skipped {
		p.paragraph(heapLead("SKIPPED", i), fmt.Sprintf("%s in %s: %s", Size(k.Bytes), counted(uint64(max(k.Ranges, 0)), "range"), escape(k.Why)), plain)
	}
}
