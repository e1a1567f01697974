package sample

import (
	"testing"

	"memtrace/tracer/event"
)

// FuzzSet plays events, windows and checks to a Set and to a model that knows only what must
// be true: which blocks were born in a window that counts and are not known to be gone.
func FuzzSet(f *testing.F) {
	f.Add([]byte{0, 1, 17, 2, 1, 4, 3, 1, 0, 33, 5})
	f.Add([]byte{0, 17, 33, 1, 0, 18, 65, 2, 49, 1})
	f.Add([]byte{0, 24, 41, 58, 1, 0x97, 0, 72, 19, 1, 0x97, 35, 0x97, 0, 24, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		s := New(Config{})
		born := make(map[uint64]int) // by address: the window, 0 for none that counts
		young := make(map[uint64]bool)
		open, windows := false, 0
		for i, op := range script {
			now := uint64(i+1) * 1e9
			addr := 16 * uint64(op>>4)
			switch op & 15 {
			case 0:
				if !open {
					s.Begin(now)
					open = true
					windows++
				}
			case 1, 2:
				valid := op&15 == 1
				s.End(now, valid)
				if !valid {
					for a := range young {
						delete(born, a)
					}
				}
				clear(young)
				open = false
			case 3, 4, 5:
				s.Apply(free(addr, now))
				delete(born, addr)
				delete(young, addr)
			case 6:
				for _, c := range s.Candidates(nil, true) {
					s.Checked(&c, c.Address == addr, now)
					if c.Address == addr {
						delete(born, addr)
						delete(young, addr)
					}
				}
			case 7:
				if addr >= 128 {
					s.GiveUp()
					break
				}
				s.Apply(&event.Event{Kind: event.Exec, Time: now})
				clear(born)
				clear(young)
				open = false
			default:
				s.Apply(alloc(addr, 8, uint64(op&3), now))
				delete(born, addr)
				delete(young, addr)
				if open && addr != 0 {
					born[addr], young[addr] = windows, true
				}
			}
			if got, want := s.Len(), len(born)-len(young); got != want {
				t.Fatalf("step %d: %d candidates, want %d", i, got, want)
			}
			check(t, s, s.Snapshot(now), born, young)
		}
	})
}

// check compares a snapshot with the model.
func check(t *testing.T, s *Set, snap Snapshot, born map[uint64]int, young map[uint64]bool) {
	t.Helper()
	sum := uint64(0)
	for _, e := range snap.Estimates {
		sum += e.Survivors.Blocks + e.Young.Blocks
		for _, i := range []Interval{e.BytesPerSecond, e.BlocksPerSecond} {
			if !(0 <= i.Low && i.Low <= i.Value && i.Value <= i.High) {
				t.Fatalf("interval %+v", i)
			}
		}
		if !(e.Confidence >= 0 && e.Confidence <= 1 && e.Survival >= 0 && e.Survival <= 1) {
			t.Fatalf("confidence %v, survival %v", e.Confidence, e.Survival)
		}
	}
	if want := uint64(len(born) - len(young)); sum != want {
		t.Fatalf("estimates have %d blocks, want %d", sum, want)
	}
	if n := s.Young(); n != len(young) {
		t.Fatalf("%d young blocks, want %d", n, len(young))
	}
}
