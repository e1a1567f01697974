package html

import (
	"fmt"
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
