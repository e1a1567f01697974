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

// Windows in which events were lost are dropped, and the report counts them. Where all windows
// are, no stack has an estimate.
func TestWindowsDropped(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := testprog.Start(t, "churn")
	tr := traceDuring(t, Config{MaxOverhead: 0.05, RingSize: 4096, spills: 16}, p, func(tr *Tracer) {
		p.Say("go")
		// Nobody reads the ring for most of the time.
		dropped := func() bool { s := tr.Snapshot(SnapshotOptions{})[0].Sampling; return s != nil && s.Dropped > 0 }
		for end := time.Now().Add(time.Minute); time.Now().Before(end) && !dropped(); {
			for range 50 {
				tr.book.Lock()
				time.Sleep(30 * time.Millisecond)
				tr.book.Unlock()
				time.Sleep(time.Millisecond)
			}
		}
	})
	r := tr.Snapshot(SnapshotOptions{})[0]
	if r.Mode != report.ModeWindows || r.Sampling.Dropped == 0 {
		t.Errorf("mode %s, %+v", r.Mode, r.Sampling)
	}
	for _, s := range r.Stacks {
		// While a window is open memtrace goes first: on a busy machine it may keep up after all.
		if s.Estimate != nil && r.Sampling.Windows == 0 {
			t.Errorf("stack %s has an estimate: %+v", s.ID, s.Estimate)
		}
	}
}
