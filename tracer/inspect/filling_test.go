package inspect

import (
	"testing"

	"memtrace/tracer/inspect/cohort"
	"memtrace/tracer/inspect/graph"
	"memtrace/tracer/report"
)

// A group fills a cache only where an array bounds it: the same at all looks, partly empty, and with a
// slot for each block.
func TestFilling(t *testing.T) {
	array := func(addr, size, taken, empty uint64) graph.Slots {
		return graph.Slots{Addr: addr, Size: size, Taken: taken, Empty: empty}
	}
	for _, tc := range []struct {
		name    string
		looks   []graph.Slots
		blocks  uint64
		slowing bool
		want    bool
	}{
		{"filling", []graph.Slots{array(16, 40008, 1000, 4001), array(16, 40008, 2000, 3001), array(16, 40008, 3000, 2001)}, 3000, false, true},
		{"nearly full", []graph.Slots{array(16, 40008, 1000, 4001), array(16, 40008, 2000, 3001), array(16, 40008, 4950, 51)}, 4950, false, false},
		{"with chains", []graph.Slots{array(16, 40008, 1000, 4001), array(16, 40008, 2000, 3001), array(16, 40008, 3000, 2001)}, 3100, false, false},
		{"replaced by a larger one", []graph.Slots{array(16, 8008, 1000, 1), array(80016, 16008, 1500, 501), array(80016, 16008, 1800, 201)}, 1800, false, false},
		{"not there at first", []graph.Slots{{}, array(16, 40008, 2000, 3001), array(16, 40008, 3000, 2001)}, 3000, false, false},
		{"gone", []graph.Slots{array(16, 40008, 1000, 4001), array(16, 40008, 2000, 3001), {}}, 3000, false, false},
		{"no array", []graph.Slots{{}, {}, {}}, 3000, false, false},
		{"no array, but slowing", []graph.Slots{{}, {}, {}}, 3000, true, true},
	} {
		l := &Looker{roots: newRoots(), looks: len(tc.looks)}
		var h rootHistory
		for _, s := range tc.looks {
			h.fill(s)
		}
		l.roots.list = []rootHistory{h}
		for _, class := range []cohort.Class{cohort.Steady, cohort.Fading, cohort.Unknown} {
			one := report.HeapGrowth{Class: string(class)}
			l.filling(&one, &cohort.Growth{Key: cohort.Key{Holder: 0}, Blocks: tc.blocks, Class: class, Slowing: tc.slowing})
			if got := one.Class == report.HeapFilling; got != (tc.want && class == cohort.Steady) {
				t.Errorf("%s, %s: %+v", tc.name, class, one)
			}
		}
	}
}
