package diagnose

import (
	"testing"

	"memtrace/tracer/report"
)

func TestExplain(t *testing.T) {
	// Growth is observed for ten seconds.
	const seconds = 10
	grows := func(class, label string, bytes int64) report.Region {
		return report.Region{Class: class, Label: label, GrowthBytes: bytes, GrowthBytesPerSecond: float64(bytes) / seconds, Growing: true}
	}
	heap := func(bytes uint64, rate float64) report.Stack {
		return report.Stack{
			ID: "1", Kind: report.Heap, Bytes: bytes, GrowthBytesPerSecond: rate,
			Served: &report.Served{Brk: share(bytes)},
		}
	}
	brk := func(bytes uint64) report.Stack { return heap(bytes, float64(bytes)/seconds) }
	mapped := report.Stack{ID: "2", Kind: report.Mmap, Bytes: 4000, GrowthBytesPerSecond: 400}
	both := heap(1000, 100)
	both.Served = &report.Served{Brk: share(600), Arena: share(400)}
	const holes = "brk heap: no outstanding allocation that keeps growing explains it: fragmentation, or free memory that malloc keeps"
	for _, tc := range []struct {
		name   string
		memory report.Memory
		stacks []report.Stack
		top    int
		want   string
	}{
		{"nothing", report.Memory{Verdict: "nothing grows"}, []report.Stack{brk(9)}, 0, ""},
		{
			"two stacks",
			report.Memory{Regions: []report.Region{grows("brk", "brk heap", 1000)}},
			[]report.Stack{mapped, brk(100), brk(600), brk(270)},
			0,
			"brk heap: explained to 87 % by stacks #3 and #4 below",
		},
		{
			"one stack that is all",
			report.Memory{Regions: []report.Region{grows("brk", "brk heap", 1000)}},
			[]report.Stack{brk(1100), brk(10)},
			0,
			"brk heap: explained to 100 % by stack #1 below",
		},
		{
			"half of it",
			report.Memory{Regions: []report.Region{grows("mmap", "anonymous mmaps", 10000)}},
			[]report.Stack{brk(50000), mapped},
			0,
			"anonymous mmaps: explained to 40 % by stack #2 below, the rest by no outstanding allocation that keeps growing",
		},
		{
			"in two ways",
			report.Memory{Regions: []report.Region{grows("brk", "brk heap", 1000), grows("arena", "thread arenas", 1000)}},
			[]report.Stack{both},
			0,
			"brk heap: explained to 60 % by stack #1 below; thread arenas: explained to 40 % by stack #1 below, the rest by no outstanding allocation that keeps growing",
		},
		{
			"not shown",
			report.Memory{Regions: []report.Region{grows("brk", "brk heap", 1000)}},
			[]report.Stack{brk(100), brk(600)},
			1,
			"brk heap: explained to 70 % by stack #1 below and stack #2, not shown (1 in words)",
		},
		{
			"neither is shown",
			report.Memory{Regions: []report.Region{grows("brk", "brk heap", 1000)}},
			[]report.Stack{heap(9000, 0), brk(300), brk(600)},
			1,
			"brk heap: explained to 90 % by stack #3, not shown (1 in words) and stack #2, not shown (1 in words)",
		},
		{
			"holes",
			report.Memory{Regions: []report.Region{grows("brk", "brk heap", 100000)}},
			[]report.Stack{brk(300), mapped},
			0, holes,
		},
		{
			"holes beside a cache that is full, and one that shrinks",
			report.Memory{Regions: []report.Region{grows("brk", "brk heap", 100000)}},
			[]report.Stack{heap(90000, 0), heap(90000, -100)},
			0, holes,
		},
		{
			"a cache that came in one step beside a leak",
			report.Memory{Regions: []report.Region{{Class: "brk", Label: "brk heap", GrowthBytes: 100000, GrowthBytesPerSecond: 1000, Growing: true}}},
			[]report.Stack{heap(90000, 0), brk(9500)},
			0,
			"brk heap: explained to 95 % by stack #2 below",
		},
		{
			"a stack that has just begun, beside holes",
			report.Memory{Regions: []report.Region{grows("brk", "brk heap", 100000)}},
			[]report.Stack{heap(5000, 10000)},
			0, holes,
		},
		{
			"stacks of threads, and other mappings by the same stack",
			report.Memory{Regions: []report.Region{grows("mmap", "anonymous mmaps", 6000), grows("thread_stack", "thread stacks", 6000)}},
			[]report.Stack{mapped, {ID: "3", Kind: report.Mmap, Bytes: 8000, GrowthBytesPerSecond: 800}},
			0,
			"anonymous mmaps: explained to 100 % by stacks #1 and #2 below; thread stacks: explained to 100 % by stack #2 below",
		},
		{
			"reserved before",
			report.Memory{Regions: []report.Region{grows("mmap", "anonymous mmaps", 100000)}},
			[]report.Stack{{Kind: report.Mmap, Bytes: 1 << 30}},
			0,
			"anonymous mmaps: no outstanding mapping that keeps growing explains it: memory that was reserved before, or of another allocator",
		},
		{
			"libraries are nobody's",
			report.Memory{Regions: []report.Region{grows("library", "libraries", 100000)}},
			[]report.Stack{brk(300)},
			0, "",
		},
		{
			"resident alone",
			report.Memory{Verdict: "resident grows 3 KiB/s, in memory that was mapped before", ResidentGrowthBytes: 100000},
			[]report.Stack{brk(300)},
			0,
			"no outstanding allocation does: fragmentation, or free memory that malloc keeps",
		},
		{
			"resident alone, beside a cache that is full",
			report.Memory{Verdict: "resident grows 3 KiB/s, in memory that was mapped before", ResidentGrowthBytes: 100000},
			[]report.Stack{heap(50000, 0)},
			0,
			"no outstanding allocation keeps growing: fragmentation, or memory that is allocated and used only now",
		},
		{
			"resident alone, by a leak into free memory",
			report.Memory{Verdict: "resident grows 3 KiB/s, in memory that was mapped before", ResidentGrowthBytes: 100000},
			[]report.Stack{brk(50000)},
			0, "",
		},
	} {
		e := explainer{
			memory: &tc.memory, stacks: tc.stacks, shown: len(tc.stacks), seconds: seconds,
			name:   func(s *report.Stack) string { return s.ID + " in words" },
			mapped: map[mappedBy]uint64{{"2", "mmap"}: 4000, {"3", "mmap"}: 2000, {"3", "thread_stack"}: 6000},
		}
		if tc.top > 0 {
			e.shown = tc.top
		}
		if got := e.explain(); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

// In growth mode all that a stack has added counts, however steadily it came.
func TestExplainGrowth(t *testing.T) {
	stack := func(class string, bytes uint64) report.Stack {
		return report.Stack{Kind: report.Grown, Bytes: bytes, Grown: []report.ClassBytes{{Class: class, Bytes: bytes}}}
	}
	grows := func(class, label string) report.Region {
		return report.Region{Class: class, Label: label, GrowthBytes: 1000, Growing: true}
	}
	growing := &report.Memory{
		Verdict: "brk heap grows 1 KiB/s, thread arenas grow 1 KiB/s, thread stacks grow 1 KiB/s, resident grows 2 KiB/s",
		Regions: []report.Region{
			grows("brk", "brk heap"), grows("arena", "thread arenas"), grows("thread_stack", "thread stacks"),
			{Class: "mmap", Label: "anonymous mmaps", GrowthBytes: 1000},
		},
	}
	for _, tc := range []struct {
		name   string
		memory *report.Memory
		stacks []report.Stack
		shown  int
		want   string
	}{
		{
			"of each class", growing,
			[]report.Stack{stack("mmap", 5000), stack("brk", 900), stack("arena", 400), stack("brk", 30)},
			4,
			"brk heap: explained to 90 % by stack #2 below; " +
				"thread arenas: explained to 40 % by stack #3 below, the rest by no system call that was seen; " +
				"thread stacks: no system call that was seen explains it; " +
				"resident: about 75 % of what was faulted in by F1 (estimate)",
		},
		{
			"not shown", &report.Memory{Verdict: "brk heap grows 1 KiB/s, resident does not grow", Regions: growing.Regions[:1]},
			[]report.Stack{stack("mmap", 5000), stack("brk", 900)},
			1,
			"brk heap: explained to 90 % by stack #2, not shown (in words)",
		},
		{
			"resident alone",
			&report.Memory{Verdict: "resident grows 3 KiB/s, in memory that was mapped before", ResidentGrowthBytes: 100000},
			nil, 0,
			"resident: about 75 % of what was faulted in by F1 (estimate)",
		},
	} {
		e := explainer{
			memory: tc.memory, stacks: tc.stacks, shown: tc.shown, seconds: 10,
			growth: &report.Growth{
				Faults:      report.Faults{FaultEstimate: report.FaultEstimate{Bytes: 800}},
				FaultStacks: []report.FaultStack{{FaultEstimate: report.FaultEstimate{Bytes: 600}}},
			},
			name: func(*report.Stack) string { return "in words" },
		}
		if got := e.explain(); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Where blocks are seen in windows of time only, nothing is known of what is not estimated: it
// cannot be said to be no leak.
func TestExplainByEstimates(t *testing.T) {
	const seconds = 10
	leak := func(class string, rate float64) report.Stack {
		return report.Stack{
			Kind:     report.Heap,
			Estimate: &report.Estimate{Class: class, LeakBytesPerSecond: report.Bounds{Value: rate}},
		}
	}
	memory := report.Memory{Regions: []report.Region{
		{Class: "brk", Label: "brk heap", GrowthBytes: 6000, GrowthBytesPerSecond: 600, Growing: true},
		{Class: "arena", Label: "thread arenas", GrowthBytes: 4000, GrowthBytesPerSecond: 400, Growing: true},
	}}
	for _, tc := range []struct {
		stacks []report.Stack
		want   string
	}{
		{
			[]report.Stack{leak("leak", 700), leak("active leak", 200), leak("long-lived", 5000)},
			"brk heap and thread arenas: explained to 90 % by stacks #1 and #2 below (estimated)",
		},
		{
			[]report.Stack{leak("undecided", 700), leak("leak", 20)},
			"brk heap and thread arenas: no stack is estimated to leak that much: fragmentation, free memory that malloc keeps, or leaks that windows of time have not made certain",
		},
	} {
		e := explainer{memory: &memory, stacks: tc.stacks, shown: len(tc.stacks), seconds: seconds, estimated: true}
		if got := e.explain(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	resident := report.Memory{Verdict: "resident grows 3 KiB/s, in memory that was mapped before", ResidentGrowthBytes: 100000}
	e := explainer{memory: &resident, seconds: seconds, estimated: true}
	if got := e.explain(); got != "" {
		t.Errorf("got %q of a resident size, want nothing", got)
	}
}

// share is blocks of so many bytes, which malloc takes no more for.
func share(bytes uint64) report.Share {
	return report.Share{Sum: report.Sum{Bytes: bytes, Blocks: 1}, ChunkBytes: bytes}
}
