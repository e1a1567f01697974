package tracer

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/probe"
	"memtrace/tracer/report"
	"memtrace/tracer/testprog"
)

// Of what memtrace reported of itself nothing is left.
func TestCalibrationIsDiscarded(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "busy")
	tr, err := Open(context.Background(), Config{PIDs: []int{p.PID()}, MaxOverhead: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if tr.loop.Costs() == probe.UsualCosts {
		t.Errorf("nothing was measured: %+v", tr.loop.Costs())
	}
	if n := tr.stream.Pending(); n != 0 {
		t.Errorf("%d bytes are in the ring", n)
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
