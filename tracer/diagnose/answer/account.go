package answer

import (
	"cmp"
	"math"
	"slices"

	"memtrace/tracer/report"
)

// pot is memory of one kind: the classes of regions that it lies in.
type pot struct {
	kind, label string
	classes     []string
	// resident means that growth is measured by the memory of the process's own, for allocators
	// that map far ahead of what they hand out, and for files, whose pages are not.
	resident bool
	// kinds are the kinds of stacks that fill it.
	kinds []report.StackKind
}

// heapPot is the heap of glibc.
var heapPot = pot{
	kind: "heap", label: "the heap", classes: []string{"brk", "arena", "malloc_mmap"},
	kinds: []report.StackKind{report.Heap, report.Grown},
}

// pots returns the kinds of memory of a process.
func (e *Evidence) pots() []pot {
	known := e.Report.Memory != nil && e.Report.Memory.ResidentKnown
	resident := known && !e.growth()
	mapped := []report.StackKind{report.Mmap, report.Grown}
	rest := []pot{
		{kind: "files", label: "mapped files", classes: []string{"file"}, resident: known, kinds: mapped},
		{kind: "shared", label: "shared memory", classes: []string{"shared"}, resident: known, kinds: mapped},
		{kind: "other", label: "the program's data and main stack", classes: []string{"data", "library", "main_stack", "other"}},
	}
	mappings := []string{"mmap", "thread_stack"}
	switch {
	case e.glibc() || e.growth():
		return append([]pot{
			heapPot,
			{kind: "mappings", label: "anonymous mappings", classes: mappings, resident: resident, kinds: mapped},
		}, rest...)
	}
	// Which mappings are the allocator's is not known.
	return append([]pot{{
		kind: "heap", label: "the heap and anonymous mappings", classes: append([]string{"brk", "arena", "malloc_mmap"}, mappings...),
		resident: resident, kinds: []report.StackKind{report.Heap, report.Mmap, report.Grown},
	}}, rest...)
}

// noise is the growth below which memory of a kind is not accounted for: less is rounding.
const noise = 16 << 10

// accounts divides what grew.
func (e *Evidence) accounts() []report.Account {
	if e.Report.Memory == nil {
		return nil
	}
	var list []report.Account
	for _, p := range e.pots() {
		a := e.account(&p)
		added := int64(0)
		for _, t := range a.Terms {
			if t.Kind == report.TermLeaks || t.Kind == report.TermPossible {
				added += t.Bytes
			}
		}
		if a.GrewBytes < noise && added == 0 {
			continue
		}
		list = append(list, a)
	}
	slices.SortStableFunc(list, func(a, b report.Account) int { return cmp.Compare(b.GrewBytes, a.GrewBytes) })
	return list
}

// grew returns the growth of a pot, in bytes.
func (e *Evidence) grew(p *pot) (bytes int64) {
	for i := range e.Report.Memory.Regions {
		r := &e.Report.Memory.Regions[i]
		if !slices.Contains(p.classes, r.Class) {
			continue
		}
		if p.resident {
			bytes += r.OwnGrowthBytes
		} else {
			bytes += r.GrowthBytes
		}
	}
	return bytes
}

// account divides the growth of a pot.
func (e *Evidence) account(p *pot) report.Account {
	a := report.Account{Kind: p.kind, Label: p.label, Classes: p.classes, GrewBytes: e.grew(p), Terms: []report.AccountTerm{}}
	known := true
	add := func(t report.AccountTerm) {
		known = known && t.Known
		if t.Bytes != 0 || !t.Known {
			a.Terms = append(a.Terms, t)
		}
	}
	for _, t := range e.stackTerms(p) {
		add(t)
	}
	if p.kind == "heap" && !e.growth() {
		for _, t := range e.heapTerms() {
			add(t)
		}
	}
	rest := a.GrewBytes
	for _, t := range a.Terms {
		rest -= t.Bytes
	}
	if rest != 0 {
		a.Terms = append(a.Terms, report.AccountTerm{Kind: report.TermRest, Label: e.restLabel(p, known, rest), Known: known, Bytes: rest})
	}
	apportion(a.Terms)
	return a
}

// stackTerms returns what stacks added to a pot.
func (e *Evidence) stackTerms(p *pot) []report.AccountTerm {
	leaks := report.AccountTerm{Kind: report.TermLeaks, Known: true, Estimated: e.windows(), AtLeast: p.kind == "heap" && !e.glibc() && !e.growth()}
	may, filled, pooled, hidden := leaks, leaks, leaks, leaks
	may.Kind, filled.Kind, pooled.Kind, filled.Estimated = report.TermPossible, report.TermFilled, report.TermPool, false
	hidden.Kind = report.TermSuppressed
	var numbers [4]uint64
	for i := range e.Report.Stacks {
		s := &e.Report.Stacks[i]
		part := share(s, p)
		if part == 0 {
			continue
		}
		d := e.divide(s)
		if s.Estimate != nil {
			d = parts{leaks: s.Estimate.LeakBytesPerSecond.Value * e.rounding(s.Estimate) * e.seconds()}
		} else if s.Kind == report.Grown && !e.growth() {
			continue // counted as the growth that estimates explain
		}
		switch {
		case s.Suppressed != "":
			if s.Estimate == nil || leaking(s) || possible(s) {
				hidden.Bytes += int64(part * (d.leaks + d.filled))
				numbers[3]++
			}
			continue
		case leaking(s):
			if pool := e.poolOf(s); pool != nil {
				pooled.Bytes += int64(part * d.leaks)
				pooled.Label = "more for " + pool.name
				break
			}
			leaks.Bytes += int64(part * d.leaks)
			numbers[0]++
		case possible(s):
			may.Bytes += int64(part * d.leaks)
			numbers[1]++
		case s.Estimate != nil:
			continue
		default:
			d.filled += d.leaks
		}
		if d.filled > 0 {
			filled.Bytes += int64(part * d.filled)
			numbers[2]++
		}
	}
	leaks.Label = report.Counted(numbers[0], "stack that keeps growing", "stacks that keep growing")
	may.Label = report.Counted(numbers[1], "stack that may keep growing", "stacks that may keep growing")
	filled.Label = "blocks allocated once, by " + report.Counted(numbers[2], "stack", "stacks")
	if e.tooShort() {
		filled.Label = "blocks of " + report.Counted(numbers[2], "stack", "stacks")
	}
	hidden.Label = report.Counted(numbers[3], "stack that is suppressed", "stacks that are suppressed")
	return []report.AccountTerm{leaks, may, pooled, filled, hidden}
}

// share returns the part, 0 to 1, of a stack's bytes that lies in a pot.
func share(s *report.Stack, p *pot) float64 {
	if !slices.Contains(p.kinds, s.Kind) {
		return 0
	}
	if len(s.Grown) == 0 {
		return in(s.Kind != report.Mmap || slices.Contains(p.classes, "mmap"))
	}
	var inside, all uint64
	for _, g := range s.Grown {
		all += g.Bytes
		if slices.Contains(p.classes, g.Class) {
			inside += g.Bytes
		}
	}
	return float64(inside) / float64(max(all, 1))
}

func in(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// heapTerms returns what else than stacks changed the size of the heap.
func (e *Evidence) heapTerms() (terms []report.AccountTerm) {
	r := e.Report
	var replaced, young uint64
	for i := range r.Stacks {
		d := e.divide(&r.Stacks[i])
		replaced += uint64(d.replaced)
		if r.Stacks[i].Kind == report.Heap {
			young += r.Stacks[i].YoungBytes - min(uint64(d.young), r.Stacks[i].YoungBytes)
		}
	}
	// Those of leaks count there.
	if young = e.Young - min(young, e.Young); young > 0 {
		terms = append(terms, report.AccountTerm{Kind: report.TermYoung, Label: "blocks of the last moment", Known: true, AtLeast: true, Bytes: int64(young)})
	}
	old := report.AccountTerm{Kind: report.TermOldFreed, Label: "blocks from before the trace that were freed", Known: !e.windows() && e.OldUnsized == 0}
	if e.OldFreed.Bytes > replaced {
		old.Bytes = -int64(e.OldFreed.Bytes - replaced)
	}
	free := report.AccountTerm{Kind: report.TermKeptFree, Label: "free memory that " + e.allocator() + " keeps"}
	if e.Several {
		terms = append(terms, report.AccountTerm{Kind: report.TermKeptFree, Label: "free memory that other allocators keep"})
		free.Label = "free memory that glibc keeps"
		if e.Report.MallocSplit == nil {
			return append(terms, old)
		}
	}
	if k, first := e.Kept, e.KeptFirst; k != nil && first != nil && k.Complete && first.Complete {
		free.Known, free.Bytes = true, int64(k.Free)-int64(first.Free)
	}
	return append(terms, old, free)
}

// allocator names the allocator in a sentence.
func (e *Evidence) allocator() string {
	if e.glibc() || e.Allocator == "" {
		return "malloc"
	}
	return e.Allocator
}

// restLabel describes what is left of a pot's growth.
func (e *Evidence) restLabel(p *pot, known bool, rest int64) string {
	switch {
	case p.kind != "heap" && rest > 0:
		return "not accounted for by any call that was traced"
	case p.kind != "heap":
		return "taken from memory that the process had"
	case e.filtered():
		return "blocks of sizes that were not traced, and free memory"
	case rest < 0:
		return "taken from memory that the process had"
	case e.windows():
		return "all else: blocks that stay without leaking, and free memory"
	case known:
		return "not accounted for"
	case e.Several:
		return "unknown: what other allocators keep free, and blocks from before the trace"
	}
	return "unknown: what " + e.allocator() + " keeps free, and blocks from before the trace"
}

// apportion sets the percentages of the terms above 0, so that they add up to 100: those whose
// rounding lost most are rounded up.
func apportion(terms []report.AccountTerm) {
	var all float64
	for _, t := range terms {
		all += max(float64(t.Bytes), 0)
	}
	if all <= 0 {
		return
	}
	left := 100
	var order []int
	exact := make([]float64, len(terms))
	for i := range terms {
		terms[i].Percent = 0
		if terms[i].Bytes <= 0 {
			continue
		}
		exact[i] = 100 * float64(terms[i].Bytes) / all
		terms[i].Percent = int(math.Floor(exact[i]))
		left -= terms[i].Percent
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(exact[b]-math.Floor(exact[b]), exact[a]-math.Floor(exact[a]))
	})
	for k := range left {
		terms[order[k%len(order)]].Percent++
	}
}
