package tracer

import (
	"context"
	"testing"
	"time"

	"memtrace/tracer/probe"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// Nothing is left of what memtrace reported of itself.
func TestCalibrationIsDiscarded(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "busy")
	tr, err := Open(context.Background(), Config{PIDs: []int{p.PID()}, MaxOverhead: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if tr.loop.Costs() == probe.UsualPrices.Emulated {
		t.Errorf("nothing was measured: %+v", tr.loop.Costs())
	}
	if n := tr.stream.Pending(); n != 0 {
		t.Errorf("%d bytes are in the ring", n)
	}
}

// A fault in a window costs its evidence, not the truth. With a ring that takes next to
// nothing windows are dropped, and no stack has an estimate.
func TestWindowsDropped(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
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
