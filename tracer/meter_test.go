package tracer

import "testing"

// The count of lost allocations can fall: the probes take back a call that seemed gone.
func TestMeterLostFewer(t *testing.T) {
	tr := &Tracer{cfg: Config{}.withDefaults()}
	tr.counters.LostAlloc = 3
	m := (&sampler{t: tr}).meter()
	tr.counters.LostAlloc = 1
	tr.seen.allocs = 5
	if p := m.read(); p.allocs != 5 {
		t.Errorf("%d allocations, want 5", p.allocs)
	}
}
