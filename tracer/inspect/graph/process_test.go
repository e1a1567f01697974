package graph

import (
	"slices"
	"testing"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/inspect/census"
	"memtrace/tracer/inspect/datasym"
	"memtrace/tracer/inspect/freeze"
)

// Of rings that are mapped it is said that the requests behind them are not seen.
func TestUnseenRequests(t *testing.T) {
	symbols := &datasym.Table{Maps: []procmaps.Mapping{
		{Start: 0x1000, End: 0x2000, Path: "/[aio] (deleted)"},
		{Start: 0x3000, End: 0x5000, Path: "anon_inode:[io_uring]"},
		{Start: 0x6000, End: 0x7000, Path: "/usr/lib/x.so"},
	}}
	p := &process{symbols: symbols, picture: &freeze.Picture{}, g: &Graph{}}
	p.kernel()
	want := []census.Skip{
		{Range: census.Range{Start: 0x1000, End: 0x2000}, Why: freeze.UnseenAIO},
		{Range: census.Range{Start: 0x3000, End: 0x5000}, Why: freeze.UnseenRing},
	}
	if !slices.Equal(p.g.Skipped, want) {
		t.Errorf("%+v", p.g.Skipped)
	}
}

// Heaps may grow to the next mapping or to the end of what is reserved, and into nothing else.
func TestGrown(t *testing.T) {
	const arena = 0x7f0000000000
	maps := []procmaps.Mapping{
		{Start: 0x1000000, End: 0x1100000, Path: "[heap]", Perms: procmaps.Read | procmaps.Write},
		{Start: 0x1200000, End: 0x1300000},
		{Start: arena, End: arena + 0x30000, Perms: procmaps.Read | procmaps.Write},
		{Start: arena + 0x30000, End: arena + 2*arenaSize},
		{Start: arena + 4*arenaSize, End: arena + 4*arenaSize + 0x40000, Perms: procmaps.Read | procmaps.Write},
		{Start: arena + 4*arenaSize + 0x40000, End: arena + 4*arenaSize + 0x50000, Perms: procmaps.Read},
	}
	for _, tc := range []struct{ heap, want census.Range }{
		{census.Range{Start: 0x1000000, End: 0x1080000}, census.Range{Start: 0x1000000, End: 0x1200000}},
		{census.Range{Start: arena, End: arena + 0x21000}, census.Range{Start: arena, End: arena + arenaSize}},
		// A block that happens to be mapped where an arena might be.
		{census.Range{Start: arena + 4*arenaSize, End: arena + 4*arenaSize + 0x40000}, census.Range{Start: arena + 4*arenaSize, End: arena + 4*arenaSize + 0x40000}},
		{census.Range{Start: 0x1400000, End: 0x1500000}, census.Range{Start: 0x1400000, End: 0x1500000}}, // not there any more
	} {
		if got := grown([]census.Range{tc.heap, {}}, maps); !slices.Equal(got, []census.Range{tc.want}) {
			t.Errorf("%+v: %+v, want %+v", tc.heap, got, tc.want)
		}
	}
}

func TestWithout(t *testing.T) {
	taken := joined([]census.Range{{Start: 30, End: 40}, {Start: 10, End: 20}, {Start: 20, End: 22}, {Start: 60, End: 70}})
	for _, tc := range []struct {
		r    census.Range
		left []census.Range
	}{
		{census.Range{Start: 0, End: 10}, []census.Range{{Start: 0, End: 10}}},
		{census.Range{Start: 0, End: 100}, []census.Range{{Start: 0, End: 10}, {Start: 22, End: 30}, {Start: 40, End: 60}, {Start: 70, End: 100}}},
		{census.Range{Start: 15, End: 35}, []census.Range{{Start: 22, End: 30}}},
		{census.Range{Start: 31, End: 39}, nil},
		{census.Range{Start: 80, End: 90}, []census.Range{{Start: 80, End: 90}}},
	} {
		if got := without(tc.r, taken); !slices.Equal(got, tc.left) {
			t.Errorf("%+v: %+v, want %+v", tc.r, got, tc.left)
		}
	}
}
