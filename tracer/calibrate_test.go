package tracer

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memtrace/bpf"
	"memtrace/tracer/report"
	"memtrace/tracer/testprog"
)

// memtrace traces itself for a moment, and nothing of that is left.
func TestCalibrate(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "busy")
	tr, err := Open(context.Background(), Config{PIDs: []int{p.PID()}, MaxOverhead: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	costs := tr.sampler.budget.cost
	for _, c := range []time.Duration{costs.alloc, costs.free} {
		if c < 100*time.Nanosecond || c > time.Millisecond {
			t.Errorf("calls cost %+v", costs)
		}
	}
	t.Logf("calls cost %+v", costs)
	if costs.alloc <= costs.free {
		t.Errorf("two traps and a stack cost %v, one trap %v", costs.alloc, costs.free)
	}
	var slot uint32
	if err := tr.progs.objs.Targets.Lookup(uint32(os.Getpid()), &slot); err == nil {
		t.Error("memtrace is still traced")
	}
	var thread uint64
	if err := tr.progs.objs.Threads.NextKey(nil, &thread); err == nil && thread>>32 == uint64(os.Getpid()) {
		t.Errorf("a thread of memtrace's passes for a traced one: %x", thread)
	}
	counts, err := readCounters(tr.progs.objs.Counts)
	if err != nil || counts != (bpf.MemtraceCounters{}) {
		t.Errorf("counters %+v, %v", counts, err)
	}
	if n := tr.reader.AvailableBytes(); n != 0 {
		t.Errorf("%d bytes are in the ring", n)
	}
}

// A ring that is too small for calibration is no obstacle.
func TestCalibrateSmallRing(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "busy")
	tr, err := Open(context.Background(), Config{PIDs: []int{p.PID()}, MaxOverhead: 1, RingSize: 4096})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if tr.sampler.budget.cost != usualCosts {
		t.Errorf("costs %+v, want %+v", tr.sampler.budget.cost, usualCosts)
	}
}

// Whatever goes wrong with a window costs its evidence, not the truth: with a ring
// that takes next to nothing windows are dropped, and no stack has an estimate.
func TestWindowsDropped(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "churn")
	tr := traceWhile(t, Config{MaxOverhead: 0.05, RingSize: 4096, spills: 16}, p, func() {
		p.Say("go")
		time.Sleep(6 * time.Second)
	})
	r := tr.Snapshot(SnapshotOptions{})[0]
	if r.Mode != report.ModeWindows || r.Sampling.Dropped == 0 || r.Sampling.Windows != 0 {
		t.Errorf("mode %s, %+v", r.Mode, r.Sampling)
	}
	for _, s := range r.Stacks {
		if s.Estimate != nil {
			t.Errorf("stack %s has an estimate: %+v", s.ID, s.Estimate)
		}
	}
}

func TestCallerOfMalloc(t *testing.T) {
	frames := func(functions ...string) (list []report.Frame) {
		for _, f := range functions {
			module := "libc"
			if f == "main" || f == "work" {
				module = "program"
			}
			list = append(list, report.Frame{Function: f, Module: module})
		}
		return list
	}
	for i, test := range []struct{ from, want []report.Frame }{
		{frames("mmap", "sysmalloc", "_int_malloc", "malloc", "work", "main"), frames("work", "main")},
		{frames("mmap", "", "__libc_calloc", "strange", "main"), frames("strange", "main")},
		{frames("mmap", "pthread_create", "main"), frames("mmap", "pthread_create", "main")},
		{frames("mmap", "malloc"), frames("mmap", "malloc")},
		{frames("work", "malloc", "main"), frames("work", "malloc", "main")},
		{nil, nil},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			if diff := cmp.Diff(test.want, callerOfMalloc(test.from)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
