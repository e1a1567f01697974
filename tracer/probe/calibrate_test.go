package probe

import (
	"os"
	"testing"

	"github.com/cilium/ebpf/ringbuf"

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
	if costs.Alloc <= 0 || costs.Free <= 0 || costs == UsualCosts {
		t.Errorf("calls cost %+v: nothing was measured", costs)
	}
	var slot uint32
	if err := s.objs.Targets.Lookup(uint32(os.Getpid()), &slot); err == nil {
		t.Error("memtrace is still traced")
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
}

// Calibration is skipped without an error if the ring is too small for it.
func TestCalibrateSmallRing(t *testing.T) {
	o := options
	o.RingSize = 4096
	s := loadSet(t, o)
	costs, err := s.Calibrate(func() error { return nil })
	if err != nil || costs != UsualCosts {
		t.Errorf("costs %+v, %v, want %+v", costs, err, UsualCosts)
	}
}
