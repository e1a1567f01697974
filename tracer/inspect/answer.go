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
	if r.OneIn > 0 && r.Looks < 3 {
		return fmt.Sprintf("%s has %s; what grows shows from the third look on", who, has)
	}
	if r.Unreachable == nil && r.OneIn == 0 {
		return fmt.Sprintf("%s has %s; what grows and what nobody points at shows from the third look on", who, has)
	}
	if u := r.Unreachable; u != nil && r.Looks < 3 {
		lost := "all that was looked at is pointed at"
		if u.Certain.Blocks > 0 {
			lost = fmt.Sprintf("nobody points at %s (%s)", report.Counted(u.Certain.Blocks, "block", "blocks"), report.Size(u.Certain.Bytes))
		}
		return fmt.Sprintf("%s has %s; %s; what grows shows from the third look on", who, has, lost)
	}
	steady, filling := growthOf(r, report.HeapSteady), growthOf(r, report.HeapFilling)
	switch {
	case steady.rate > 0 && filling.rate > 0:
		return fmt.Sprintf("%s grows %s%s; %s more may only fill a cache%s", who, steady, steady.divided(), filling, filling.divided())
	case steady.rate > 0:
		return fmt.Sprintf("%s grows %s%s", who, steady, steady.divided())
	case filling.rate > 0:
		return fmt.Sprintf("%s grows %s, which fills a cache that is not full, or is a leak%s", who, filling, filling.divided())
	}
	grows := fmt.Sprintf("nothing is seen to grow in %d looks at %s", r.Looks, who)
	if may := growthOf(r, report.HeapUnknown); may.rate > 0 {
		grows = fmt.Sprintf("%s may grow %s, which is not certain yet%s", who, may, may.divided())
	}
	if u := r.Unreachable; u != nil && u.Certain.Blocks > 0 {
		return fmt.Sprintf("%s; nobody points at %s (%s) of its %s", grows,
			report.Counted(u.Certain.Blocks, "block", "blocks"), report.Size(u.Certain.Bytes), has)
	}
	return fmt.Sprintf("%s; it has %s", grows, has)
}

// growths is how many blocks and bytes a minute come in all, and how many of them each holder gets.
type growths struct {
	rate, bytes float64
	shares      map[string]float64
}

// growthOf adds up what grows, or seems to, of a class.
func growthOf(r *report.HeapReport, class string) growths {
	all := growths{shares: make(map[string]float64)}
	for i := range r.Growing {
		if g := &r.Growing[i]; g.Class == class && g.Grows() {
			all.rate += g.PerMinute
			all.bytes += g.PerMinute * float64(g.Size)
			all.shares[g.Holder.Held()] += g.PerMinute
		}
	}
	return all
}

func (g growths) String() string {
	often, time := g.rate, "a minute"
	if g.rate < 1 {
		often, time = 60*g.rate, "an hour"
	}
	return fmt.Sprintf("%s %s (%s)", report.Counted(uint64(often+0.5), "block", "blocks"), time, report.Rate(g.bytes/60))
}

// divided says who holds what grows, in words behind a colon, "" if that is not known.
func (g growths) divided() string {
	type share struct {
		who  string
		rate float64
	}
	var list []share
	for who, rate := range g.shares {
		if who == (&report.HeapRoot{Class: report.HeapUnlooked}).Held() {
			return ""
		}
		list = append(list, share{who, rate})
	}
	slices.SortFunc(list, func(a, b share) int { return cmp.Or(cmp.Compare(b.rate, a.rate), cmp.Compare(a.who, b.who)) })
	if len(list) == 1 {
		return ": all " + list[0].who
	}
	const most = 3
	var parts []string
	for _, s := range list[:min(len(list), most)] {
		parts = append(parts, fraction(s.rate/g.rate)+" "+s.who)
	}
	if rest := len(list) - most; rest > 0 {
		parts = append(parts, fmt.Sprintf("the rest by %d others", rest))
	}
	return ": " + strings.Join(parts, ", ")
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
