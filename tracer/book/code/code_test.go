package code

import (
	"math/rand/v2"
	"testing"

	"memtrace/tracer/event"
)

func TestMapAgainstAddresses(t *testing.T) {
	const addresses = 64
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var m Map
		var want [addresses]event.CodeID
		for range 60 {
			start, end, code := random.Uint64N(addresses), random.Uint64N(addresses+1), event.CodeID(random.Uint64N(4))
			changes := false
			for i := start; i < end; i++ {
				changes = changes || want[i] != code
				want[i] = code
			}
			if changed := m.Set(start, end, code); changes && !changed {
				t.Fatalf("[%d, %d) changes something, Set says no", start, end)
			}
			for i := range want {
				if got := m.At(uint64(i)); got != want[i] {
					t.Fatalf("at %d after [%d, %d): %d, want %d", i, start, end, got, want[i])
				}
			}
		}
	}
}

func TestMapTellsWhatChanges(t *testing.T) {
	var m Map
	for i, step := range []struct {
		start, end uint64
		code       event.CodeID
		changes    bool
	}{{10, 20, 5, true}, {10, 20, 5, false}, {12, 18, 5, false}, {12, 18, 6, true}, {12, 18, 6, false}, {10, 20, 5, true}, {7, 7, 1, false}} {
		if got := m.Set(step.start, step.end, step.code); got != step.changes {
			t.Errorf("step %d: changes %v, want %v", i, got, step.changes)
		}
	}
}

func TestMapKeepsNewestOfTooMany(t *testing.T) {
	var m Map
	for i := range uint64(3 * most) {
		m.Set(i<<13, i<<13+4096, event.CodeID(i+10))
	}
	if len(m.ranges) > most {
		t.Errorf("%d ranges, want at most %d", len(m.ranges), most)
	}
	last := uint64(3*most - 1)
	if got := m.At(last << 13); got != event.CodeID(last+10) {
		t.Errorf("the newest range has code %d", got)
	}
}
