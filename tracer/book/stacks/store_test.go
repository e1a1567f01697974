package stacks

import (
	"maps"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/event"
)

// model is a Store that keeps stacks as they are.
type model map[event.StackID]stack

type stack struct {
	frames    []uint64
	codes     []event.CodeID
	truncated bool
}

// check compares all stacks that may exist.
func check(t *testing.T, want model, s *Store) {
	t.Helper()
	n := 0
	s.Each(func(id event.StackID) {
		if _, ok := want[id]; !ok {
			t.Fatalf("stack %x was never added, or removed", id)
		}
		n++
	})
	if n != len(want) || s.Len() != n {
		t.Fatalf("%d stacks, %d by Len, want %d", n, s.Len(), len(want))
	}
	for id, w := range want {
		frames, codes, truncated := s.FramesIn(id)
		if !s.Has(id) || !cmp.Equal(codes, w.codes) || truncated != w.truncated || len(frames) != len(w.frames) || len(frames) > 0 && !cmp.Equal(frames, w.frames) {
			t.Fatalf("stack %x: %x, truncated %v, want %x, %v", id, frames, truncated, w.frames, w.truncated)
		}
	}
}

// play makes a Store and the model do what the bytes say, four at a time.
func play(t *testing.T, data []byte) {
	s, m := New(), make(model)
	for ; len(data) >= 4; data = data[4:] {
		op, a, b, c := data[0], data[1], data[2], data[3]
		id := event.StackID(a) * 0x9e3779b97f4a7c15
		if op%16 == 15 {
			old, before, gone := s, maps.Clone(m), make(map[event.StackID]struct{})
			for id := range m {
				if byte(id>>8)%8 < b%9 {
					gone[id] = struct{}{}
					delete(m, id)
				}
			}
			s = s.Without(gone)
			check(t, m, s)
			check(t, before, old)
			continue
		}
		var frames []uint64
		for i := range int(b) % (event.MaxFrames + 1) {
			// Few addresses, but from the whole range, the top one included.
			frames = append(frames, uint64(c)<<(uint(i)%57)-uint64(i%3))
		}
		var codes []event.CodeID
		for i := range frames {
			if op&2 != 0 {
				codes = append(codes, event.CodeID(c)<<(uint(i)%57))
			}
		}
		s.AddIn(id, 0, frames, codes, op&1 != 0)
		if _, ok := m[id]; !ok {
			m[id] = stack{frames, codes, op&1 != 0}
		}
	}
	check(t, m, s)
	if frames, truncated := s.Frames(1); frames != nil || truncated || s.Has(1) {
		t.Error("a stack is there that never was added")
	}
}

func FuzzStore(f *testing.F) {
	f.Add([]byte("what the letters of some words make of stacks"))
	f.Add([]byte{1, 1, 127, 255, 0, 2, 3, 1, 15, 0, 4, 0, 0, 1, 2, 3})
	f.Fuzz(play)
}

// TestStore finds in every run what the fuzzer would find in its first minutes.
func TestStore(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 31 {
		data := make([]byte, 4*r.IntN(300))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		play(t, data)
	}
}

// Stacks of the greatest depth, with distinct addresses in all frames, fill many chunks.
func TestStoreOfLongStacks(t *testing.T) {
	s, m := New(), make(model)
	for i := range uint64(1009) {
		frames := make([]uint64, event.MaxFrames)
		for j := range frames {
			frames[j] = 0x7f00_0000_0000 + i*event.MaxFrames + uint64(j)
		}
		s.Add(event.StackID(i), 0, frames, true)
		m[event.StackID(i)] = stack{frames, nil, true}
	}
	check(t, m, s)
}

// Removing stacks gives back their memory, and that of their addresses.
func TestStoreShrinks(t *testing.T) {
	s := New()
	fill(s, 0, 10_007)
	few := s.MemoryBytes()
	fill(s, 10_007, 100_003)
	gone := make(map[event.StackID]struct{})
	for id := event.StackID(10_007); id < 100_003; id++ {
		gone[id] = struct{}{}
	}
	s = s.Without(gone)
	if got := s.MemoryBytes(); got > few+few/8 {
		t.Errorf("%d bytes are taken, where the stacks that are left took %d", got, few)
	}
}

// fill adds stacks like those of a large program: 20 frames, some 4,000 addresses.
func fill(s *Store, from, to int) {
	r := rand.New(rand.NewPCG(uint64(from), 3))
	var frames [20]uint64
	for id := from; id < to; id++ {
		for j := range frames {
			frames[j] = 0x5555_0000_0000 + uint64(j)<<20 + r.Uint64N(200)*37
		}
		s.Add(event.StackID(id), 0, frames[:], false)
	}
}

func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkStore reports what a stack of 20 frames takes, as measured and as MemoryBytes says.
func BenchmarkStore(b *testing.B) {
	const n = 300_007
	for b.Loop() {
		before := heapBytes()
		s := New()
		fill(s, 0, n)
		b.ReportMetric(float64(heapBytes()-before)/n, "B/stack")
		b.ReportMetric(float64(s.MemoryBytes())/n, "said-B/stack")
		runtime.KeepAlive(s)
	}
}

// The server of a stack stays its own, whatever becomes of the frames.
func TestServer(t *testing.T) {
	s := New()
	s.Add(1, 0, []uint64{10, 20}, false)
	s.Add(2, 500, []uint64{10, 20}, true)
	s.AddIn(3, 600, []uint64{10, 20}, []event.CodeID{7, 8, 9}, false)
	s.Add(4, 700, nil, false)
	s.Replace(2, []uint64{10, 20, 30}, nil, false)
	check := func(s *Store) {
		t.Helper()
		for id, want := range map[event.StackID]struct {
			server uint64
			code   event.CodeID
			frames int
		}{1: {frames: 2}, 2: {server: 500, frames: 3}, 3: {600, 9, 2}, 4: {server: 700}, 5: {}} {
			server, code := s.Server(id)
			frames, codes, _ := s.FramesIn(id)
			if server != want.server || code != want.code || len(frames) != want.frames || codes != nil && len(codes) != len(frames) {
				t.Errorf("stack %d: served by %d in %d, frames %d in %d", id, server, code, frames, codes)
			}
		}
	}
	check(s)
	for i := range uint64(5000) { // addresses that go with their stacks
		s.Add(event.StackID(100+i), 0, []uint64{1<<40 + i}, false)
	}
	check(s.Without(map[event.StackID]struct{}{99: {}}))
	gone := make(map[event.StackID]struct{})
	for i := range 5000 {
		gone[event.StackID(100+i)] = struct{}{}
	}
	check(s.Without(gone))
}
