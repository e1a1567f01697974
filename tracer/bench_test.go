package tracer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"
	"memtrace/tracer/testsupport/testprog"
)

// attacher puts probes on a process, or none.
type attacher func(pid int) (detach func())

// threeWays reports what measure returns untraced, with empty probes at the same places (the
// floor), and traced, and the ratio of the last two.
func threeWays(b *testing.B, unit string, measure func(attacher) float64) {
	b.Helper()
	var bare, floor, traced float64
	for range b.N {
		bare += measure(func(int) func() { return func() {} })
		floor += measure(attachEmpty(b))
		traced += measure(attachTracer(b))
	}
	n := float64(b.N)
	b.ReportMetric(bare/n, "untraced-"+unit)
	b.ReportMetric(floor/n, "floor-"+unit)
	b.ReportMetric(traced/n, "traced-"+unit)
	b.ReportMetric(traced/floor, "traced/floor")
	b.ReportMetric(0, "ns/op")
}

// pairTime runs the program busy for a second and returns the processor time of one pair of
// malloc and free, in ns. On a machine with other work to do, wall-clock time would say less.
// attach is called when the program is ready.
func pairTime(b *testing.B, depth, threads int, attach attacher) float64 {
	b.Helper()
	p := testprog.Start(b, "busy", "--depth", strconv.Itoa(depth), "--threads", strconv.Itoa(threads), "--seconds", "1")
	detach := attach(p.PID())
	p.Say("go")
	line := p.Line()
	detach()
	var pairs int64
	if _, err := fmt.Sscanf(line, "pairs %d", &pairs); err != nil {
		b.Fatalf("busy says %q: %v", line, err)
	}
	p.End()
	return float64(p.ProcessorTime().Nanoseconds()) / float64(pairs)
}

// attachEmpty puts programs that do nothing at the places of memtrace's probes: what is left
// is the cost of the traps. It needs Linux 6.6.
func attachEmpty(b *testing.B) attacher {
	return func(pid int) func() {
		idle, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Type: ebpf.Kprobe, AttachType: ebpf.AttachTraceUprobeMulti, License: "GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
		})
		if err != nil {
			b.Fatal(err)
		}
		found, err := target.Find(pid)
		if err != nil {
			b.Fatal(err)
		}
		var attached probe.Links
		for _, o := range found.Objects {
			var entries, returns []uint64
			for _, p := range o.Probes {
				entries = append(entries, p.Offset)
				if p.Role <= target.Realloc && !p.Shape.Throws() {
					returns = append(returns, p.Offset)
				}
			}
			exe, err := link.OpenExecutable(o.OpenPath())
			if err != nil {
				b.Fatal(err)
			}
			enter, err := exe.UprobeMulti(nil, idle, &link.UprobeMultiOptions{Addresses: entries, PID: uint32(pid)})
			if err != nil {
				b.Fatal(err)
			}
			leave, err := exe.UretprobeMulti(nil, idle, &link.UprobeMultiOptions{Addresses: returns, PID: uint32(pid)})
			if err != nil {
				b.Fatal(err)
			}
			attached = append(attached, enter, leave)
		}
		return func() {
			if err := errors.Join(attached.Close(), idle.Close()); err != nil {
				b.Fatal(err)
			}
			found.Close()
		}
	}
}

func attachTracer(b *testing.B) attacher {
	return func(pid int) func() {
		return startTrace(b, Config{PIDs: []int{pid}}, func(t *Tracer) {
			if lost := t.Status().Lost; lost > 0 {
				b.Logf("%d events lost", lost)
			}
		})
	}
}

// startTrace traces until it is told to detach. look is called when the trace is over.
func startTrace(b *testing.B, cfg Config, look func(*Tracer)) (detach func()) {
	b.Helper()
	t, err := Open(context.Background(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- t.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		look(t)
		t.Close()
	}
}

// BenchmarkPair reports what a malloc and its free cost.
func BenchmarkPair(b *testing.B) {
	testprog.NeedRoot(b)
	for _, c := range []struct{ depth, threads int }{{3, 1}, {20, 1}, {3, 2}, {20, 2}} {
		b.Run(fmt.Sprintf("depth=%d/threads=%d", c.depth, c.threads), func(b *testing.B) {
			threeWays(b, "ns/pair", func(attach attacher) float64 {
				return pairTime(b, c.depth, c.threads, attach)
			})
		})
	}
}

// BenchmarkPython reports how often python3 parses a JSON text in a second of processor time.
// Every object of it comes from malloc.
func BenchmarkPython(b *testing.B) {
	testprog.NeedRoot(b)
	rate := func(attach attacher) float64 {
		cmd := exec.Command("/usr/bin/python3", "testdata/parse.py")
		cmd.Env = append(os.Environ(), "PYTHONMALLOC=malloc")
		p := testprog.Command(b, cmd)
		detach := attach(p.PID())
		before := p.ProcessorTime()
		p.Say("go")
		line := p.Line()
		used := p.ProcessorTime() - before
		detach()
		p.End()
		var rounds float64
		if _, err := fmt.Sscanf(line, "rounds %f", &rounds); err != nil {
			b.Fatalf("python says %q: %v", line, err)
		}
		return rounds / used.Seconds()
	}
	threeWays(b, "rounds/s", rate)
}

// BenchmarkWalk reports what the program at malloc's return costs, by the kernel's own clock,
// with the walk by unwind tables and with the kernel's walk by frame pointers, on a program
// that has them.
func BenchmarkWalk(b *testing.B) {
	testprog.NeedRoot(b)
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	perStack := func(depth int, framePointers bool) float64 {
		p := testprog.Start(b, "busy", "--depth", strconv.Itoa(depth-busyFrames), "--seconds", "1")
		tr := traceWhile(b, Config{older: probe.Older{FramePointers: framePointers, SeparateReturns: true}}, p, func() {
			p.Say("go")
			p.Line()
		})
		s := returnStats(b)
		// The walk by frame pointers finds one frame less: libc has none.
		if lengths(tr)[depth] == 0 && !framePointers {
			b.Fatalf("no stack has %d frames: %v", depth, lengths(tr))
		}
		return float64(s.Runtime.Nanoseconds()) / float64(s.RunCount)
	}
	for _, depth := range []int{5, 20, 60} {
		b.Run(fmt.Sprintf("frames=%d", depth), func(b *testing.B) {
			var tables, kernel float64
			for range b.N {
				tables += perStack(depth, false)
				kernel += perStack(depth, true)
			}
			b.ReportMetric(tables/float64(b.N), "tables-ns/stack")
			b.ReportMetric(kernel/float64(b.N), "bpf_get_stack-ns/stack")
			b.ReportMetric(tables/kernel, "tables/bpf_get_stack")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// returnStats returns the stats of the youngest own program at malloc's return.
func returnStats(b *testing.B) (stats *ebpf.ProgramStats) {
	b.Helper()
	for _, id := range slices.Sorted(maps.Keys(ownObjects(b, "prog_id"))) {
		prog, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
		if err != nil {
			b.Fatal(err)
		}
		if info, err := prog.Info(); err == nil && strings.HasPrefix(info.Name, "leave_alloc") {
			if stats, err = prog.Stats(); err != nil {
				b.Fatal(err)
			}
		}
		_ = prog.Close()
	}
	if stats == nil {
		b.Fatal("no program at malloc's return")
	}
	return stats
}

// lengths counts the stacks by their number of frames.
func lengths(tr *Tracer) map[int]int {
	counts := make(map[int]int)
	for _, s := range allStacks(tr) {
		counts[len(s.frames)]++
	}
	return counts
}

// busyFrames is how many frames busy has besides those that it is told to make.
const busyFrames = 4

// BenchmarkAttach reports the time from asking to trace node, a program of 28 MB of text, to
// its first event.
func BenchmarkAttach(b *testing.B) {
	testprog.NeedRoot(b)
	cmd := exec.Command("/usr/bin/node", "-e", `console.log("ready " + process.pid);
		setInterval(() => require("zlib").deflateSync("memory"), 1)`)
	p := testprog.Command(b, cmd)
	defer p.Kill()
	for b.Loop() {
		tr, err := Open(context.Background(), Config{PIDs: []int{p.PID()}})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- tr.Run(ctx) }()
		for tr.Status().Events == 0 {
			time.Sleep(time.Millisecond)
		}
		b.StopTimer()
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		tr.Close()
		b.StartTimer()
	}
}
