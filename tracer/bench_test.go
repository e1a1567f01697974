package tracer

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"memtrace/tracer/target"
	"memtrace/tracer/testprog"
)

// emptyPrograms do nothing at the places where memtrace's go: what is left is
// the cost of the traps.
func emptyPrograms(t testing.TB, k kernelFeatures) *programs {
	t.Helper()
	spec := &ebpf.ProgramSpec{
		Type:         ebpf.Kprobe,
		License:      "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	}
	if k.uprobeMulti {
		spec.AttachType = ebpf.AttachTraceUprobeMulti
	}
	prog, err := ebpf.NewProgram(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prog.Close() })
	p := new(programs)
	for role := range p.enter {
		p.enter[role] = prog
	}
	p.objs.LeaveAlloc = prog
	return p
}

// pairTime runs the program busy for a second and returns the processor time
// that one pair of malloc and free takes, in ns; on a machine with other work
// to do the time on the clock would say less. attach is called when the program
// is ready.
func pairTime(b *testing.B, depth, threads int, attach func(pid int) (detach func())) float64 {
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

func attachEmpty(b *testing.B) func(pid int) func() {
	return func(pid int) func() {
		k, err := checkKernel()
		if err != nil {
			b.Fatal(err)
		}
		found, err := target.Find(pid)
		if err != nil {
			b.Fatal(err)
		}
		p := &process{target: found}
		if err := p.attach(emptyPrograms(b, k), k); err != nil {
			b.Fatal(err)
		}
		return func() {
			p.links.Close()
			found.Close()
		}
	}
}

func attachTracer(b *testing.B) func(pid int) func() {
	return func(pid int) func() {
		t, err := Open(Config{PIDs: []int{pid}})
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
			if lost := t.Status().Lost; lost > 0 {
				b.Logf("%d events lost", lost)
			}
			t.Close()
		}
	}
}

// BenchmarkPair reports what a malloc and its free cost untraced, with empty
// probes at the same places (the floor), and traced, and the last two's ratio.
func BenchmarkPair(b *testing.B) {
	testprog.NeedRoot(b)
	for _, c := range []struct{ depth, threads int }{{3, 1}, {20, 1}, {3, 2}, {20, 2}} {
		b.Run(fmt.Sprintf("depth=%d/threads=%d", c.depth, c.threads), func(b *testing.B) {
			var bare, floor, traced float64
			for range b.N {
				bare += pairTime(b, c.depth, c.threads, func(int) func() { return func() {} })
				floor += pairTime(b, c.depth, c.threads, attachEmpty(b))
				traced += pairTime(b, c.depth, c.threads, attachTracer(b))
			}
			n := float64(b.N)
			b.ReportMetric(bare/n, "untraced-ns/pair")
			b.ReportMetric(floor/n, "floor-ns/pair")
			b.ReportMetric(traced/n, "traced-ns/pair")
			b.ReportMetric(traced/floor, "traced/floor")
			b.ReportMetric(0, "ns/op")
		})
	}
}
