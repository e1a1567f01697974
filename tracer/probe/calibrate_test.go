package probe

import (
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"memtrace/bpf"
	"memtrace/tracer/event"
	"memtrace/tracer/testsupport/testprog"
)

// loadSet loads a set that is closed when the test ends.
func loadSet(t *testing.T, o Options) *Set {
	t.Helper()
	testprog.NeedRoot(t)
	k, err := FindFeatures(o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load(k, o, new(Attached))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// memtrace traces itself for a moment, and leaves nothing of that behind.
func TestCalibrate(t *testing.T) {
	s := loadSet(t, options)
	discarded := false
	costs, err := s.Calibrate(func() error { discarded = true; return nil })
	if err != nil {
		t.Fatal(err)
	}
	// How much that is depends on what else the machine does.
	t.Logf("calls cost %+v", costs)
	if costs.Emulated.Alloc <= 0 || costs.Emulated.Free <= 0 || costs.Stepped.Alloc <= 0 || costs.Stepped.Free <= 0 || costs == UsualPrices {
		t.Errorf("calls cost %+v: nothing was measured", costs)
	}
	var slot uint32
	if err := s.objs.Targets.Lookup(uint32(os.Getpid()), &slot); err == nil {
		t.Error("memtrace is still traced")
	}
	var fresh bpf.MemtraceFresh
	if err := s.objs.FreshCode.Lookup(uint32(os.Getpid()), &fresh); err == nil {
		t.Error("what code memtrace maps is still noted")
	}
	var thread uint64
	if err := s.objs.Threads.NextKey(nil, &thread); err == nil && thread>>32 == uint64(os.Getpid()) {
		t.Errorf("a thread of memtrace's passes for a traced one: %x", thread)
	}
	counts, err := s.Counters()
	if err != nil || counts != (event.Counters{}) {
		t.Errorf("counters %+v, %v", counts, err)
	}
	ring, err := ringbuf.NewReader(s.Events())
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	if ring.AvailableBytes() == 0 || !discarded {
		t.Error("what calibration sent was not discarded by who asked for it")
	}
	// To send a stack for later costs three times what a call costs that finds its tables.
	for ring.SetDeadline(time.Now()); ; {
		record, err := ring.Read()
		if err != nil {
			break
		}
		var ev event.Event
		if err := event.Decode(record.RawSample, &ev); err != nil {
			t.Fatal(err)
		}
		if ev.Kind == event.Rest {
			t.Fatal("calibration sends stacks to be unwound later")
		}
	}
}

// Each probe has the price of the instruction that it sits on.
func TestPricesOf(t *testing.T) {
	p := Prices{Emulated: Costs{1, 2}, Stepped: Costs{10, 20}}
	for _, tc := range []struct {
		alloc, free bool
		want        Costs
	}{
		{false, false, Costs{1, 2}},
		{true, false, Costs{10, 2}},
		{false, true, Costs{1, 20}},
		{true, true, Costs{10, 20}},
	} {
		if got := p.Of(tc.alloc, tc.free); got != tc.want {
			t.Errorf("%v, %v: %+v, want %+v", tc.alloc, tc.free, got, tc.want)
		}
	}
}

// Calibration is skipped without an error if the ring is too small for it.
func TestCalibrateSmallRing(t *testing.T) {
	o := options
	o.RingSize = 4096
	s := loadSet(t, o)
	costs, err := s.Calibrate(func() error { return nil })
	if err != nil || costs != UsualPrices {
		t.Errorf("costs %+v, %v, want %+v", costs, err, UsualPrices)
	}
}
