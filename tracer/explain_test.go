package tracer

import (
	"testing"

	"memtrace/tracer/report"
)

func TestExplain(t *testing.T) {
	grows := func(class, label string, bytes int64) report.Region {
		return report.Region{Class: class, Label: label, GrowthBytes: bytes, Growing: true}
	}
	brk := func(bytes uint64) report.Stack {
		return report.Stack{Kind: report.Heap, Bytes: bytes, Served: &report.Served{Brk: report.Sum{Bytes: bytes, Blocks: 1}}}
	}
	mapped := report.Stack{Kind: report.Mmap, Bytes: 4000}
	for _, tc := range []struct {
		name   string
		memory report.Memory
		stacks []report.Stack
		want   string
	}{
		{"nothing", report.Memory{Verdict: "nothing grows"}, []report.Stack{brk(9)}, ""},
		{
			"two stacks",
			report.Memory{Regions: []report.Region{grows("brk", "brk heap", 1000)}},
			[]report.Stack{mapped, brk(100), brk(600), brk(270)},
			"brk heap: explained to 87 % by stacks #3 and #4 below",
		},
		{
			"one stack that is all",
			report.Memory{Regions: []report.Region{grows("brk", "brk heap", 1000)}},
			[]report.Stack{brk(1100), brk(10)},
			"brk heap: explained to 100 % by stack #1 below",
		},
		{
			"half of it",
			report.Memory{Regions: []report.Region{grows("mmap", "anonymous mmaps", 10000)}},
			[]report.Stack{brk(50000), mapped},
			"anonymous mmaps: explained to 40 % by stack #2 below, the rest by no outstanding allocation",
		},
		{
			"holes",
			report.Memory{Regions: []report.Region{grows("brk", "brk heap", 100000)}},
			[]report.Stack{brk(300), mapped},
			"brk heap: no outstanding allocation explains it: fragmentation, or free memory that malloc keeps",
		},
		{
			"libraries are nobody's",
			report.Memory{Regions: []report.Region{grows("library", "libraries", 100000)}},
			[]report.Stack{brk(300)},
			"",
		},
		{
			"resident alone",
			report.Memory{Verdict: "resident grows 3 KiB/s, in memory that was mapped before", ResidentGrowthBytes: 100000},
			[]report.Stack{brk(300)},
			"no outstanding allocation does: fragmentation, or free memory that malloc keeps",
		},
	} {
		if got := explain(&tc.memory, tc.stacks); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}
