package inspect

import (
	"cmp"
	"slices"

	"memtrace/tracer/inspect/cohort"
	"memtrace/tracer/inspect/graph"
	"memtrace/tracer/inspect/kinds"
	"memtrace/tracer/report"
)

// lostKey is what roots of lost structures have in common that are reported together.
type lostKey struct {
	size           uint64
	kind           kinds.ID
	cycle, certain bool
	why            string
}

// lostGroup are such roots. first is the one on which most hangs.
type lostGroup struct {
	lostKey
	roots uint64
	all   report.HeapSum
	first graph.Lost
}

// mostLostGroups bounds the groups. What comes later counts as one without kind and size.
const mostLostGroups = 1 << 14

// lostOf adds up the roots of lost structures that are alike, those with most bytes first.
func lostOf(p *graph.Passes) (list []lostGroup) {
	places := make(map[lostKey]int)
	p.EachLost(func(lost graph.Lost) {
		k := lostKey{cohort.SizeClass(lost.Root.Size), lost.Kind, lost.Cycle, lost.Certain, ""}
		if !lost.Certain {
			k.why = lost.Why
		}
		at, ok := places[k]
		if !ok {
			if len(list) >= mostLostGroups {
				k.size, k.kind = 0, 0
				at, ok = places[k]
			}
			if !ok {
				at = len(list)
				places[k] = at
				list = append(list, lostGroup{lostKey: k, first: lost})
			}
		}
		g := &list[at]
		g.roots++
		g.all.Blocks += lost.Blocks
		g.all.Bytes += lost.Bytes
		if lost.Bytes > g.first.Bytes {
			g.first = lost
		}
	})
	slices.SortStableFunc(list, func(a, b lostGroup) int { return cmp.Compare(b.all.Bytes, a.all.Bytes) })
	return list
}

// unreachable says what is lost.
func (l *Looker) unreachable(r *report.HeapReport, hidden *suppressing) {
	if !l.last.enough {
		return
	}
	u := &report.HeapUnreachable{Passes: l.last.passes}
	for i := range l.last.lost {
		g := &l.last.lost[i]
		name := l.namer.Name(g.kind)
		if hidden.hides(name, &report.HeapRoot{Class: report.HeapUnreached}, g.all) {
			continue
		}
		sum := &u.Possible
		if g.certain {
			sum = &u.Certain
		}
		sum.Blocks += g.all.Blocks
		sum.Bytes += g.all.Bytes
		u.Lost = append(u.Lost, report.HeapLost{
			Size: g.size, Kind: name, Roots: g.roots, Address: g.first.Root.Addr, All: g.all, Cycle: g.cycle, Certain: g.certain, Why: g.why,
		})
	}
	r.Unreachable = u
}
