package answer

import (
	"time"

	"memtrace/tracer/report"
)

const libc = "/usr/lib/x86_64-linux-gnu/libc.so.6"

// frame is one of the program, or of libc if it has no line.
func frame(function string, line int) report.Frame {
	if line == 0 {
		return report.Frame{Function: function, Module: libc, Offset: 0x1000}
	}
	return report.Frame{Function: function, Module: "/usr/bin/served", File: "/src/served/served.c", Line: line}
}

func calls(functions ...string) []report.Frame {
	var frames []report.Frame
	for i, f := range functions {
		frames = append(frames, frame(f, 10+i))
	}
	return append(frames, frame("main", 99), frame("__libc_start_call_main", 0))
}

// watched returns a report on 20 s of a process that allocates, without stacks.
func watched() *report.Report {
	r := &report.Report{
		Schema: report.Schema, Mode: report.ModeExact, TracedFraction: 1, Complete: true,
		Target:          report.Target{PID: 4242, Command: "served", Exe: "/usr/bin/served", Allocator: "glibc", Libc: libc},
		Start:           time.Date(2026, 3, 1, 3, 12, 5, 0, time.UTC),
		DurationSeconds: 20, OlderSeconds: 0.5,
		Events:      report.Events{Alloc: 100000, Free: 99000},
		MallocSplit: &report.MallocSplit{MmapThreshold: 128 << 10},
		Memory:      &report.Memory{Polls: 20, Complete: true, ResidentKnown: true},
	}
	for _, c := range []string{"brk", "arena", "malloc_mmap", "mmap", "thread_stack", "file", "shared", "data"} {
		r.Memory.Regions = append(r.Memory.Regions, report.Region{Class: c, Label: c})
	}
	return r
}

// grow makes a class grow by bytes.
func grow(r *report.Report, class string, bytes int64) {
	for i := range r.Memory.Regions {
		if g := &r.Memory.Regions[i]; g.Class == class {
			g.GrowthBytes, g.ResidentGrowthBytes, g.OwnGrowthBytes = bytes, bytes, bytes
			g.Growing, g.GrowthBytesPerSecond = bytes > 0, float64(bytes)/r.DurationSeconds
		}
	}
}

// heap is a stack of blocks of malloc's heap; slope is per second.
func heap(id string, blocks, size uint64, slope float64, frames []report.Frame) report.Stack {
	chunk := max(32, (size+23)&^15)
	sum := report.Sum{Bytes: blocks * size, Blocks: blocks}
	return report.Stack{
		ID: id, Kind: report.Heap, Bytes: sum.Bytes, Blocks: blocks, AllocatedBytes: sum.Bytes, AllocatedBlocks: blocks,
		GrowthBytesPerSecond: slope, FollowedSeconds: 19, Survival: 1, OldestSeconds: 19, YoungestSeconds: 0.5, Frames: frames,
		Served: &report.Served{Brk: report.Share{Sum: sum, ChunkBytes: blocks * chunk}},
	}
}

// mapping is a stack of the program's own mappings.
func mapping(id string, blocks, size uint64, slope float64, frames []report.Frame) report.Stack {
	s := heap(id, blocks, size, slope, frames)
	s.Kind, s.Served = report.Mmap, nil
	return s
}

// leakOf is a stack that leaks a block of 100 bytes 50 times a second.
func leakOf(id string, frames []report.Frame) report.Stack { return heap(id, 1000, 100, 5000, frames) }

func with(r *report.Report, stacks ...report.Stack) *Evidence {
	for i := range stacks {
		s := &stacks[i]
		for k := range s.Frames {
			MarkLibrary(&s.Frames[k], &r.Target)
		}
		s.OwnFrame = OwnFrame(s.Frames, &r.Target)
		r.Outstanding.Bytes += s.Bytes
		r.Outstanding.Blocks += s.Blocks
	}
	r.Stacks, r.StacksTotal = stacks, len(stacks)
	return &Evidence{Report: r, Allocators: 1, Seconds: r.DurationSeconds}
}

// estimated is a stack that leaks by an estimate.
func estimated(id, class string, rate, low, high float64, frames []report.Frame) report.Stack {
	return report.Stack{ID: id, Kind: report.Heap, Frames: frames, Estimate: &report.Estimate{
		Class: class, Confidence: 0.999, MaturitySeconds: 10, Survivors: report.Sum{Bytes: 5000, Blocks: 50}, SurvivorWindows: 12,
		LeakBytesPerSecond:  report.Bounds{Value: rate, Low: low, High: high},
		LeakBlocksPerSecond: report.Bounds{Value: rate / 100, Low: low / 100, High: high / 100},
	}}
}

func inWindows(r *report.Report) *report.Report {
	r.Mode, r.TracedFraction = report.ModeWindows, 0.02
	r.Sampling = &report.Sampling{Windows: 40, TracedSeconds: 0.4, MaxOverhead: 0.03, Overhead: 0.021, Pace: 0.95, MaturitySeconds: 10}
	return r
}
