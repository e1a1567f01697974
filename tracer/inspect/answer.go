package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"memtrace/tracer/report"
)

// answer says in one sentence what a report means.
func answer(r *report.HeapReport) string {
	who := r.Target.Who()
	if r.Looks == 0 {
		return who + ": no look was finished"
	}
	has := fmt.Sprintf("%s, %s in use", report.Counted(r.Blocks.InUse.Blocks, "block", "blocks"), report.Size(r.Blocks.InUse.Bytes))
	if r.Unreachable == nil {
		return fmt.Sprintf("%s has %s; what grows and what nobody points at shows from the third look on", who, has)
	}
	var rate, bytes float64
	shares := make(map[string]float64)
	for i := range r.Growing {
		if g := &r.Growing[i]; g.Class == report.HeapSteady {
			rate += g.PerMinute
			bytes += g.PerMinute * float64(g.Size)
			shares[g.Holder.Held()] += g.PerMinute
		}
	}
	if rate > 0 {
		often, time := rate, "a minute"
		if rate < 1 {
			often, time = 60*rate, "an hour"
		}
		return fmt.Sprintf("%s grows %s %s (%s): %s", who, report.Counted(uint64(often+0.5), "block", "blocks"), time, report.Rate(bytes/60), divided(shares, rate))
	}
	if u := r.Unreachable; u.Certain.Blocks > 0 {
		return fmt.Sprintf("%s does not grow, but nobody points at %s (%s) of its %s", who,
			report.Counted(u.Certain.Blocks, "block", "blocks"), report.Size(u.Certain.Bytes), has)
	}
	return fmt.Sprintf("%s does not grow: %s", who, has)
}

// divided says who holds what grows, in words.
func divided(shares map[string]float64, all float64) string {
	type share struct {
		who  string
		rate float64
	}
	var list []share
	for who, rate := range shares {
		list = append(list, share{who, rate})
	}
	slices.SortFunc(list, func(a, b share) int { return cmp.Or(cmp.Compare(b.rate, a.rate), cmp.Compare(a.who, b.who)) })
	if len(list) == 1 {
		return "all " + list[0].who
	}
	const most = 3
	var parts []string
	for _, s := range list[:min(len(list), most)] {
		parts = append(parts, fraction(s.rate/all)+" "+s.who)
	}
	if rest := len(list) - most; rest > 0 {
		parts = append(parts, fmt.Sprintf("the rest by %d others", rest))
	}
	return strings.Join(parts, ", ")
}

// fraction names a part of a whole.
func fraction(f float64) string {
	switch {
	case f > 0.45 && f < 0.55:
		return "half"
	case f >= 0.95:
		return "nearly all"
	}
	return fmt.Sprintf("%.0f %%", max(100*f, 1))
}
