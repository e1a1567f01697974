package html

import (
	"fmt"
	"math"
	"strings"
	"time"

	"memtrace/tracer/report"
)

const (
	program = "/usr/sbin/sessiond"
	libc    = "/usr/lib/x86_64-linux-gnu/libc.so.6"
)

func frame(function, module, file string, line int) report.Frame {
	return report.Frame{Address: 4096 + uint64(line), Function: function, Module: module, Offset: uint64(line), File: file, Line: line, Library: module == libc}
}

// outer are the callers that all stacks have.
func outer() []report.Frame {
	return []report.Frame{
		frame("handle_request", program, "/src/server.c", 88), frame("main", program, "/src/server.c", 210),
		frame("__libc_start_call_main", libc, "", 0),
	}
}

// leaking is the report of a process that leaks, with all that a report can have.
func leaking() *report.Report {
	start := time.Date(2026, 3, 1, 3, 12, 5, 0, time.UTC)
	r := &report.Report{
		Schema: report.Schema, Target: report.Target{PID: 4242, Command: "sessiond", Exe: program, Allocator: "glibc", Libc: libc},
		Start: start, End: start.Add(120 * time.Second), DurationSeconds: 120, Mode: report.ModeExact, TracedFraction: 1, Complete: true,
		Events:      report.Events{Alloc: 1204331, Free: 1190002, Realloc: 17, UnknownFree: 5},
		Outstanding: report.Sum{Bytes: 72 << 20, Blocks: 92000}, StacksTotal: 40,
		Notes: []string{"The process forked 2 times."},
	}
	culprit := frame("make_session", program, "/src/session.c", 142)
	add := func(id string, bytes, blocks uint64, class report.StackClass, rate float64, module string, frames ...report.Frame) {
		s := report.Stack{
			ID: id, Kind: report.Heap, Bytes: bytes, Blocks: blocks, AllocatedBytes: bytes * 2, AllocatedBlocks: blocks * 2, FreedBlocks: blocks,
			Class: class, LeakBytesPerSecond: rate, GrowthBytesPerSecond: rate, Survival: 0.5, OldestSeconds: 119, YoungestSeconds: 0.6,
			Served: &report.Served{Brk: report.Share{Sum: report.Sum{Bytes: bytes, Blocks: blocks}, ChunkBytes: bytes + 16*blocks}},
			Frames: append(frames, outer()...),
		}
		if module == libc {
			s.OwnFrame = 1
		}
		r.Stacks = append(r.Stacks, s)
	}
	add("a1", 48<<20, 51200, report.ClassLeak, 420<<10, program, culprit)
	add("a2", 6<<20, 51200, report.ClassLeak, 52<<10, libc, frame("strdup", libc, "", 0), frame("name_session", program, "/src/session.c", 151))
	add("a3", 12<<20, 640, report.ClassFilled, 0, program, frame("fill_cache", program, "/src/cache.c", 31))
	for i := range 37 {
		module := program
		if i%3 == 0 {
			module = "/usr/lib/libplugin.so"
		}
		add(fmt.Sprintf("b%d", i), uint64(40<<10*(37-i)), uint64(400-i), report.ClassFilled, 0, program,
			frame(fmt.Sprintf("init_table_%d", i), module, "/src/tables.c", 10+i), frame("init_tables", program, "/src/tables.c", 400))
	}
	r.Stacks[0].Freed = &report.FreeSide{
		By:   []report.Freer{{Share: 0.97, Samples: 512, OwnFrame: 0, Frames: append([]report.Frame{frame("session_close", program, "/src/session.c", 160)}, outer()...)}},
		Text: "Its blocks are freed by session_close < handle_request (session.c:160) (97 %).",
	}
	r.Stacks[0].Threads = []report.ThreadSum{{TID: 77, Name: "worker", Sum: report.Sum{Bytes: 3000, Blocks: 3}}}
	r.Stacks[1].Threads = []report.ThreadSum{{TID: 78, Name: "main", Sum: report.Sum{Bytes: 3000, Blocks: 3}}}
	r.Suppressed = []report.Suppressed{{Pattern: "strdup*", Stacks: 3, Sum: report.Sum{Bytes: 2048, Blocks: 9}}}
	r.MallocSplit = &report.MallocSplit{MmapThreshold: 131072, ThresholdSource: "mp_ symbol", Dynamic: true, MmapMax: 65536}
	r.MallocSplit.Brk = report.Share{Sum: report.Sum{Bytes: 72 << 20, Blocks: 92000}, ChunkBytes: 74 << 20}
	r.Diagnosis = &report.Diagnosis{
		Answer: "sessiond (pid 4242) leaks 472.0 KiB/s: 89 % is allocated by make_session (session.c:142), called by handle_request (server.c:88).",
		Findings: []report.Finding{
			{
				Kind: report.Leak, Confidence: "certain", BytesPerSecond: report.Bounds{Value: 472 << 10, Low: 472 << 10, High: 472 << 10}, Bytes: 54 << 20,
				Stacks: []string{"a1", "a2"}, StacksTotal: 2, Culprit: &culprit, Caller: &r.Stacks[0].Frames[1], Share: 0.89,
				Text:     "leaks 472.0 KiB/s",
				Evidence: []string{"2 stacks grew all the time", "51,200 blocks are at least 0.5 s old and were not freed"},
				Next:     "Look at what handle_request does with the result of make_session.",
			},
			{Kind: report.CacheFills, Confidence: "likely", Bytes: 12 << 20, Stacks: []string{"a3"}, StacksTotal: 1, Text: "has a cache that filled"},
		},
		Accounts: []report.Account{{Kind: "heap", Label: "the heap", Classes: []string{"brk"}, GrewBytes: 74 << 20, Terms: []report.AccountTerm{
			{Kind: report.TermLeaks, Label: "leaks", Known: true, Bytes: 54 << 20, Percent: 73},
			{Kind: report.TermFilled, Label: "grew and stopped", Known: true, Bytes: 18 << 20, Percent: 24},
			{Kind: report.TermRest, Label: "the rest", Known: true, Bytes: 2 << 20, Percent: 3},
		}}},
		Deadline: &report.Deadline{Text: "the cgroup's 512.0 MiB are full in 15 min", Seconds: report.Bounds{Value: 905}, Limit: "cgroup_max"},
	}
	r.Memory = &report.Memory{
		Polls: 120, Complete: true, ResidentKnown: true, StatmResidentBytes: 81 << 20, ResidentGrowthBytes: 74 << 20, Verdict: "The brk heap grows 632.0 KiB/s.",
		Regions: []report.Region{
			{Class: "brk", Label: "brk heap", Count: 1, VirtualBytes: 78 << 20, ResidentBytes: 76 << 20, GrowthBytes: 74 << 20, GrowthBytesPerSecond: 632 << 10, Growing: true},
			{Class: "library", Label: "libraries", Count: 12, VirtualBytes: 2 << 20, ResidentBytes: 1 << 20},
		},
	}
	r.System = &report.System{TotalBytes: 24 << 30, AvailableBytes: 20 << 30, FreeBytes: 10 << 30, CachedBytes: 9 << 30}
	r.Timeline = &report.Timeline{}
	for i := range 121 {
		t := r.Timeline
		t.Seconds = append(t.Seconds, float64(i))
		t.ResidentBytes = append(t.ResidentBytes, uint64(7<<20+i*632<<10))
		t.BrkBytes = append(t.BrkBytes, uint64(4<<20+i*632<<10))
		t.ArenaBytes, t.MmapBytes = append(t.ArenaBytes, 0), append(t.MmapBytes, 1<<20)
	}
	for k, rate := range []uint64{420 << 10, 52 << 10, 0} {
		line := report.StackTimeline{ID: fmt.Sprintf("a%d", k+1)}
		for i := range uint64(13) {
			line.Seconds = append(line.Seconds, float64(10*i))
			bytes := 10 * i * rate
			if k == 2 {
				bytes = min(i, 3) * 4 << 20
			}
			line.Bytes = append(line.Bytes, bytes)
		}
		r.Timeline.Stacks = append(r.Timeline.Stacks, line)
	}
	return r
}

// windows is the report of a process that was watched in windows of time.
func windows() *report.Report {
	r := leaking()
	r.Mode, r.TracedFraction, r.Overhead = report.ModeWindows, 0.0184, 0.0287
	r.Sampling = &report.Sampling{Windows: 61, TracedSeconds: 1.83, MaxOverhead: 0.03, Overhead: 0.0287, ProbesOverhead: 0.0251, MaturitySeconds: 10}
	r.Outstanding, r.Timeline.Stacks, r.Stacks = report.Sum{}, nil, r.Stacks[:3]
	for i := range r.Stacks {
		s := &r.Stacks[i]
		class, rate := "leak", s.LeakBytesPerSecond
		if rate == 0 {
			class = "undecided"
		}
		r.Stacks[i] = report.Stack{ID: s.ID, Kind: s.Kind, Frames: s.Frames, OwnFrame: s.OwnFrame, Estimate: &report.Estimate{
			Class: class, Confidence: 0.9997, LeakBytesPerSecond: report.Bounds{Value: rate, Low: 0.9 * rate, High: 1.2 * rate},
			LeakBlocksPerSecond: report.Bounds{Value: 300, Low: 270, High: 350}, MaturitySeconds: 10,
			Survivors: report.Sum{Bytes: 100000, Blocks: 500}, SurvivorWindows: 51, AllocationsPerSecond: 336, Survival: 0.991, OldestSeconds: 119,
		}}
	}
	r.Stacks = append(r.Stacks, report.Stack{
		ID: "m1", Kind: report.Mmap, Bytes: 2 << 20, Blocks: 1, Class: report.ClassFilled, Frames: append([]report.Frame{frame("map_table", program, "/src/tables.c", 9)}, outer()...),
	})
	f := &r.Diagnosis.Findings[0]
	f.BytesPerSecond.Low, f.BytesPerSecond.High = 400<<10, 500<<10
	return r
}

// nasty are names that try to break out of the page.
var nasty = []string{
	"</script><script>window.pwned=1</script>", "<!--<script>window.pwned=1", "]]>--><img src=x onerror=window.pwned=1>",
	`"onmouseover="window.pwned=1" x="`, `'"><svg onload=window.pwned=1>`, "sep\u2028\u2029\u0085", "rtl\u202e\u2066\u200f evil", "\x1b[31m\x00\x07",
	"\xff\xfe not UTF-8", "{{.}}${window.pwned=1}`", "</style><style>*{display:none}", "</textarea></title><base href=//x>", "__proto__", "constructor",
	"very long " + strings.Repeat("name", 3000), "std::map<std::string, std::vector<int>>::operator[](std::string&&)",
}

// hostile is the report of a program that chose its names.
func hostile() *report.Report {
	r := leaking()
	r.Target.Command, r.Target.Exe, r.Target.Libc, r.Target.Allocator = nasty[0], nasty[1], nasty[2], nasty[3]
	r.Stacks = r.Stacks[:3]
	for i, name := range nasty {
		s := r.Stacks[i%3]
		s.ID, s.Allocator = fmt.Sprint("c", i), name
		s.Frames = []report.Frame{frame(name, name, name, i), frame("by "+name, nasty[(i+1)%len(nasty)], name, i)}
		s.OwnFrame = 0
		r.Stacks = append(r.Stacks, s)
	}
	for i := range r.Stacks {
		freer := report.Freer{Share: 1, Samples: 1, Frames: r.Stacks[i].Frames}
		r.Stacks[i].Freed = &report.FreeSide{By: []report.Freer{freer}, Text: nasty[i%len(nasty)]}
	}
	d := r.Diagnosis
	d.Answer = nasty[0] + " leaks in " + nasty[0] + nasty[6]
	d.Findings[0].Culprit = &r.Stacks[3].Frames[0]
	d.Findings[0].Text, d.Findings[0].Next, d.Findings[0].Evidence = nasty[0], nasty[4], nasty
	d.Findings[0].Children = []report.Child{{PID: 1, Command: nasty[0]}}
	d.Through = &r.Stacks[3].Frames[1]
	d.Accounts[0].Label, d.Accounts[0].Terms[0].Label = nasty[0], nasty[4]
	d.Deadline.Text = nasty[4]
	r.Notes, r.Hints, r.Unprobed, r.Complete = nasty, nasty, nasty, false
	r.Memory.Verdict, r.Memory.Regions[0].Label = nasty[0], nasty[4]
	r.Allocators = []report.AllocatorSum{{Allocator: nasty[0]}}
	r.Suppressed[0].Pattern = nasty[0]
	for i := range r.Stacks {
		r.Stacks[i].Threads = []report.ThreadSum{{TID: i, Name: nasty[i%len(nasty)]}}
	}
	r.MallocSplit.ThresholdSource = nasty[0]
	r.StacksTotal = len(r.Stacks)
	return r
}

// many has n distinct stacks, some 20 frames deep, of a program of some thousand functions.
func many(n int) *report.Report {
	r := leaking()
	r.Stacks = nil
	for i := range n {
		frames := []report.Frame{frame(fmt.Sprintf("ns::Class<%d>::leaf_%d(int, char const*)", i%100, i), program, "/src/leaf.cc", i)}
		for depth := range 16 {
			k := (i >> (depth / 2)) % 1000
			frames = append(frames, frame(fmt.Sprintf("ns::Layer%d<std::vector<int>>::step_%d(Context const&)", depth, k), fmt.Sprintf("/usr/lib/liblayer%d.so", depth), "/src/layer.cc", 100+k))
		}
		s := report.Stack{
			ID: fmt.Sprintf("%016x", i*0x9e3779b9), Kind: report.Heap, Bytes: uint64(1000 + i*37%100000), Blocks: uint64(1 + i%500), AllocatedBytes: uint64(5000 + i*101%900000),
			AllocatedBlocks: uint64(10 + i%5000), FreedBlocks: uint64(9 + i%4500), GrowthBytesPerSecond: float64(i%977) * 1.37, FollowedSeconds: 119.123456,
			Survival: float64(i%100) / 101, OldestSeconds: 119.5 - float64(i%1000)/10, YoungestSeconds: 0.51, Class: report.ClassFilled, Frames: append(frames, outer()...),
			Served: &report.Served{Brk: report.Share{Sum: report.Sum{Bytes: uint64(1000 + i*37%100000), Blocks: uint64(1 + i%500)}, ChunkBytes: uint64(1016 + i*37%100000)}},
		}
		if i%50 == 0 {
			s.Class, s.LeakBytesPerSecond = report.ClassLeak, s.GrowthBytesPerSecond
		}
		r.Stacks = append(r.Stacks, s)
	}
	r.StacksTotal = n
	return r
}

// measured is the report of a process of which all was measured that some reports lack.
func measured() *report.Report {
	r := leaking()
	r.Peak = &report.Peak{Sum: report.Sum{Bytes: 90 << 20, Blocks: 100}, AtSeconds: 50}
	r.Marks = []report.Mark{{AtSeconds: 20, Name: "deployed"}}
	r.SinceMark = &report.Sum{Bytes: 1 << 20, Blocks: 3}
	r.Modules = []report.ModuleSum{
		{Name: "/usr/lib/other.so", Sum: report.Sum{Bytes: 2 << 20, Blocks: 9}},
		{Name: program, Sum: report.Sum{Bytes: 1 << 20, Blocks: 7}},
		{NotLookedUp: true, Sum: report.Sum{Bytes: 768 << 10, Blocks: 5}},
		{Sum: report.Sum{Bytes: 256 << 10, Blocks: 2}},
	}
	s := &r.Stacks[0]
	s.PeakBytes, s.PeakBlocks, s.SinceMarkBytes, s.SinceMarkBlocks = 2<<20, 7, 1<<20, 3
	s.Sizes = []report.SizeClass{{UpToBytes: 64, Blocks: 5}, {UpToBytes: math.MaxUint64, Blocks: 9}}
	s.Lifetimes = []report.LifetimeClass{{UpToSeconds: 0.01, Blocks: 50}, {UpToSeconds: math.MaxUint64 / 1e9, Blocks: 2}}
	s.Threads = []report.ThreadSum{
		{TID: 77, Name: "worker", Sum: report.Sum{Bytes: 3000, Blocks: 3}}, {TID: 79, Sum: report.Sum{Bytes: 2000, Blocks: 2}}, {Sum: report.Sum{Bytes: 1000, Blocks: 1}},
	}
	r.Threads = s.Threads
	r.Stacks[1].TemporaryBlocks = 5
	r.Stacks = append(r.Stacks, report.Stack{ID: "u1", Kind: report.Heap, Bytes: 4096, Blocks: 1, Class: report.ClassFilled})
	r.StacksTotal = len(r.Stacks)
	line := r.Timeline.Stacks[0]
	line.ID = "elsewhere" // of a stack that is not in the report
	r.Timeline.Stacks = append(r.Timeline.Stacks, line)
	return r
}
