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

func TestExplainGrowth(t *testing.T) {
	stack := func(class string, bytes uint64) report.Stack {
		return report.Stack{Kind: report.Grown, Bytes: bytes, Grown: []report.ClassBytes{{Class: class, Bytes: bytes}}}
	}
	m := &report.Memory{
		Verdict: "brk heap grows 1 KiB/s, thread stacks grow 1 KiB/s, resident grows 2 KiB/s",
		Regions: []report.Region{
			{Class: "brk", Label: "brk heap", GrowthBytes: 1000, Growing: true},
			{Class: "thread_stack", Label: "thread stacks", GrowthBytes: 1000, Growing: true},
			{Class: "mmap", Label: "anonymous mmaps", GrowthBytes: 1000},
		},
	}
	r := &report.Report{
		Stacks: []report.Stack{stack("mmap", 5000), stack("brk", 900), stack("brk", 30)},
		Growth: &report.Growth{FaultStacks: []report.FaultStack{{Estimate: report.Estimate{Bytes: 600}}}},
	}
	r.Growth.Faults.Bytes = 800
	const want = "brk heap: explained to 90 % by stack #2 below; thread stacks: no system call that was seen explains it; " +
		"resident: about 75 % of what was faulted in by F1 (estimate)"
	if got := explainGrowth(m, r); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
