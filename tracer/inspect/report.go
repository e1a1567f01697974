package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"memtrace/tracer/inspect/census"
	"memtrace/tracer/inspect/cohort"
	"memtrace/tracer/inspect/graph"
	"memtrace/tracer/inspect/kinds"
	"memtrace/tracer/report"
)

// maxListed bounds each list of a report.
const maxListed = 1000

// last is what is kept of the last look.
type last struct {
	end     time.Time
	totals  census.Totals
	blocks  int    // that were looked at
	unheld  uint64 // blocks
	skipped []report.HeapSkip
	lost    []lostGroup
	passes  int // that lost rests on
	enough  bool
	path    *report.HeapPath
}

// Report says what is known so far. top bounds the lists, 0 is all that are known.
func (l *Looker) Report(top int) *report.HeapReport {
	t := &l.last.totals
	sum := func(s census.Sum) report.HeapSum { return report.HeapSum{Blocks: s.Chunks, Bytes: s.Bytes} }
	r := &report.HeapReport{
		Schema: report.Schema,
		Target: report.Target{PID: l.cfg.PID, Command: l.process.Command, Exe: l.process.Exe, Allocator: "glibc", Exited: l.gone},
		Start:  l.start, End: l.last.end, DurationSeconds: max(l.last.end.Sub(l.start), 0).Seconds(),
		Looks: l.looks, ReadSeconds: l.spent.Seconds(), Complete: !l.gone,
		Blocks: report.HeapSpace{
			InUse: sum(t.InUse), Mapped: sum(t.Mapped), MappedKnown: sum(t.MappedKnown), Bins: sum(t.Bins), Fast: sum(t.Fast),
			Cached: sum(t.Cached), Top: sum(t.Top), Resyncs: t.Resyncs, Skipped: l.last.skipped,
		},
		Path:  l.last.path,
		Notes: slices.Clone(l.notes),
	}
	if l.shift > 0 {
		r.OneIn = l.standsFor(0)
	}
	r.Notes = append(r.Notes, l.partNotes()...)
	if l.stops.Times > 0 {
		stops := l.stops
		r.Stops = &stops
		r.Notes = append(r.Notes, stopNote)
	}
	r.Notes = append(r.Notes, report.Unnamed("Variables and kinds", l.symbols.Problems)...)
	if l.gone {
		r.Notes = append(r.Notes, l.end)
	}
	place := l.holders(r)
	if slices.ContainsFunc(r.Holders, func(h report.HeapHolder) bool { return h.Class == report.HeapInterpreter }) {
		r.Notes = append(r.Notes, "Nearly all objects of CPython lead to each other: which of them holds a block is not told here. In the program gc.get_referrers tells.")
	}
	l.kindsOf(r, place)
	hidden := &suppressing{list: l.cfg.Suppressions}
	l.growing(r, hidden)
	l.unreachable(r, hidden)
	r.Suppressed = hidden.sums
	r.Answer = answer(r)
	cut(r, top)
	return r
}

// cut leaves the first entries of each list.
func cut(r *report.HeapReport, top int) {
	if top == 0 {
		top = maxListed
	}
	r.GrowingTotal, r.HoldersTotal = len(r.Growing), len(r.Holders)
	r.Growing = r.Growing[:min(len(r.Growing), maxListed)]
	r.Holders = r.Holders[:min(len(r.Holders), top)]
	r.Kinds = r.Kinds[:min(len(r.Kinds), maxListed)]
	for i := range r.Kinds {
		if r.Kinds[i].Holder >= len(r.Holders) {
			r.Kinds[i].Holder = report.HeapOtherHolder
		}
	}
	if u := r.Unreachable; u != nil {
		u.LostTotal = len(u.Lost)
		u.Lost = u.Lost[:min(len(u.Lost), maxListed)]
	}
}

// holders lists what holds blocks. It returns the places in the list by the numbers of roots.
func (l *Looker) holders(r *report.HeapReport) map[int32]int {
	var numbers []int32
	for n := range l.roots.list {
		if l.roots.list[n].held.Held.Blocks > 0 {
			numbers = append(numbers, int32(n))
		}
	}
	slices.SortFunc(numbers, func(a, b int32) int {
		x, y := l.roots.list[a].held.Held, l.roots.list[b].held.Held
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(y.Blocks, x.Blocks), cmp.Compare(a, b))
	})
	place := make(map[int32]int)
	for i, n := range numbers {
		r.Holders = append(r.Holders, l.roots.list[n].holder())
		place[n] = i
	}
	return place
}

// kindsOf lists the blocks by size, kind and holder.
func (l *Looker) kindsOf(r *report.HeapReport, place map[int32]int) {
	var merged uint64
	for _, g := range l.cohorts.Groups() {
		n := l.standsFor(g.Size)
		if g.Holder == cohort.Mixed {
			merged += g.Blocks * n
		}
		k := report.HeapKind{
			HeapPart: report.HeapPart{Size: g.Size, Kind: l.kindOf(g.Key), HeapSum: scaled(report.HeapSum{Blocks: g.Blocks, Bytes: g.Bytes}, n)},
			Holder:   report.HeapOtherHolder,
		}
		if i, ok := place[g.Holder]; ok {
			k.Holder = i
			h := &r.Holders[i]
			h.Of = append(h.Of, k.HeapPart)
		} else if g.Holder == noHolder {
			k.Holder = report.HeapNoHolder
		}
		r.Kinds = append(r.Kinds, k)
	}
	if merged > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%s of more groups (size, kind and holder) than the %s, or of more holders than the %s, that are told apart: these are counted together, by powers of two of their sizes.",
			report.Counted(merged, "block is", "blocks are"), report.Count(cohort.MostGroups), report.Count(maxRoots)))
	}
	r.KindsTotal = len(r.Kinds)
	largest := func(a, b report.HeapKind) int { return cmp.Compare(b.Bytes, a.Bytes) }
	slices.SortStableFunc(r.Kinds, largest)
	r.Kinds = folded(r.Kinds)
	slices.SortStableFunc(r.Kinds, largest)
	const maxOf = 8
	for i := range r.Holders {
		h := &r.Holders[i]
		slices.SortStableFunc(h.Of, func(a, b report.HeapPart) int { return cmp.Compare(b.Bytes, a.Bytes) })
		h.Of = h.Of[:min(len(h.Of), maxOf)]
	}
}

// folded adds up by size and kind what would be cut, so that the sums of these hold all.
func folded(list []report.HeapKind) []report.HeapKind {
	if len(list) <= maxListed {
		return list
	}
	type key struct {
		size   uint64
		kind   string
		holder int
	}
	places := make(map[key]int)
	all := slices.Clone(list[:maxListed/2])
	for _, k := range list[maxListed/2:] {
		if k.Holder != report.HeapNoHolder {
			k.Holder = report.HeapOtherHolder
		}
		at, ok := places[key{k.Size, k.Kind, k.Holder}]
		if !ok {
			places[key{k.Size, k.Kind, k.Holder}] = len(all)
			all = append(all, k)
			continue
		}
		all[at].Blocks += k.Blocks
		all[at].Bytes += k.Bytes
	}
	return all
}

// kindOf names the kind of a group. Of one that has all kinds it says up to which size, since only the
// least size is shown.
func (l *Looker) kindOf(k cohort.Key) string {
	if k.Holder == cohort.Mixed {
		return "to " + report.Size(k.Size<<1-1) + ", all kinds"
	}
	return l.namer.Name(kinds.ID(k.Kind))
}

// growing lists the groups that grow or are exchanged.
func (l *Looker) growing(r *report.HeapReport, hidden *suppressing) {
	for _, g := range l.cohorts.Growth() {
		one := l.growth(&g)
		if !hidden.hides(one.Kind, &one.Holder, one.Now) {
			r.Growing = append(r.Growing, one)
		}
	}
	ordered(r.Growing)
}

// growth is what a group does, as reports have it.
func (l *Looker) growth(g *cohort.Growth) report.HeapGrowth {
	one := report.HeapGrowth{
		Size: g.Size, Kind: l.kindOf(g.Key), Class: string(g.Class), Now: report.HeapSum{Blocks: g.Blocks, Bytes: g.Bytes},
		Came: g.Came, Left: g.Left, PerMinute: g.PerMinute, Low: g.Low, High: g.High, Confidence: cohort.Confidence, ByPlace: g.ByPlace,
		Holder: report.HeapRoot{Class: report.HeapMixed},
	}
	switch {
	case g.Holder == noHolder:
		one.Holder.Class = report.HeapUnreached
	case g.Holder >= 0 && int(g.Holder) < len(l.roots.list):
		h := &l.roots.list[g.Holder]
		one.Holder, one.Shape, one.Depth = h.root, h.held.Shape, h.held.Depth
	}
	for _, c := range g.Cohorts {
		k := report.HeapCohort{ToSeconds: c.To.Sub(l.start).Seconds(), Came: c.Came, Stayed: c.Stayed}
		if !c.From.IsZero() {
			from := c.From.Sub(l.start).Seconds()
			k.FromSeconds = &from
		}
		one.Cohorts = append(one.Cohorts, k)
	}
	l.filling(&one, g)
	l.scale(&one)
	return one
}

// pathTo finds how the address that was asked for is reached.
func (l *Looker) pathTo(g *graph.Graph) *report.HeapPath {
	if l.cfg.Why == 0 {
		return nil
	}
	p := &report.HeapPath{Address: l.cfg.Why}
	steps, err := g.Why(l.cfg.Why)
	switch {
	case errors.Is(err, graph.ErrNoBlock):
		p.Missing = "no block in use is there"
	case errors.Is(err, graph.ErrNotHeld):
		p.Missing = "nobody points at it"
	case err != nil:
		p.Missing = fmt.Sprint(err)
	}
	for _, s := range steps {
		one := report.HeapStep{Address: s.Block.Addr, Size: s.Block.Size, Kind: l.namer.Name(s.Kind), Omitted: s.Omitted}
		if s.Root != nil {
			root := rootOf(s.Root)
			one = report.HeapStep{Root: &root, Address: root.Address}
		}
		p.Steps = append(p.Steps, one)
	}
	return p
}

// skipsOf adds up what was not looked at.
func skipsOf(c *census.Census, g *graph.Graph) (list []report.HeapSkip) {
	for _, skips := range [][]census.Skip{c.Skipped, g.Skipped} {
		for _, s := range skips {
			i := slices.IndexFunc(list, func(k report.HeapSkip) bool { return k.Why == s.Why })
			if i < 0 {
				if i = len(list); i >= maxListed {
					break
				}
				list = append(list, report.HeapSkip{Why: s.Why})
			}
			list[i].Ranges++
			list[i].Bytes += s.End - min(s.Start, s.End)
		}
	}
	return list
}
