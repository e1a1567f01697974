package heap

import (
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// pair feeds a Heap and its model the same events.
type pair struct {
	heap  *Heap
	model *model
	now   uint64
}

func newPair() *pair {
	return &pair{New(Config{Older: 80, MinSize: modelMin, MaxSize: modelMax}), newModel(), 1000}
}

// step interprets four bytes as something that happens. Two processes with three threads each
// share eight addresses.
func (p *pair) step(op, who, what, when byte) {
	pid, tid := 1+uint32(who&1), 10+uint32(who>>1)%3
	addr := uint64(what&7) * 16 // 0 is among them
	// Time mostly advances, but the events of two CPUs may be out of order.
	t := p.now + uint64(when&31)
	if when&0xe0 == 0xe0 {
		t = p.now - uint64(when&31)*4
	}
	kinds := []event.Kind{
		event.Alloc, event.Alloc, event.Free, event.ReallocEnter,
		event.Realloc, event.ReallocFail, event.Exec, event.Exit,
	}
	switch op %= 16; {
	case op < 12:
		kind := kinds[min(int(op), 5)]
		if op >= 6 {
			kind = kinds[op-6]
		}
		if op == 11 && who&0xf0 == 0xf0 {
			kind = kinds[6+what&1]
		}
		ev := event.Event{
			Kind: kind, PID: pid, TID: tid, Time: t, Addr: addr,
			Size: uint64(what >> 3), Stack: event.StackID(when>>5) % 3,
		}
		if kind == event.Free || kind == event.ReallocEnter {
			ev.Size = chunkOf(what)
		}
		p.heap.Apply(&ev)
		p.model.apply(&ev)
	case op < 14:
		// A late free, of any time near now.
		t = p.now + uint64(when&63) - 48
		ev := event.Event{Kind: event.Free, PID: pid, TID: tid, Time: t, Addr: addr, Size: chunkOf(what)}
		if what&8 != 0 {
			ev.Kind = event.ReallocEnter
		}
		p.heap.ApplyLateFree(&ev)
		p.model.lateFree(&ev)
	case op == 14:
		p.heap.CaughtUp(p.now - uint64(when&15))
		p.model.caughtUp(p.now - uint64(when&15))
		if what&1 != 0 {
			p.heap.Drained()
			clear(p.model.evicted)
		}
	case what&7 == 7:
		if what&8 != 0 {
			pid = 0
		}
		p.heap.Gap(pid, p.now-uint64(when))
		p.model.lost(pid, p.now-uint64(when))
	case what&7 == 3:
		p.giveUp()
	}
	p.now = max(p.now, t)
}

// giveUp makes the model merge the stacks that the heap has given up. live.TestChooseGivenUp
// checks which ones it chooses.
func (p *pair) giveUp() {
	known := maps.Clone(p.heap.stacks.byKey)
	p.heap.GiveUp()
	for key := range known {
		if _, ok := p.heap.stacks.byKey[key]; !ok {
			p.model.giveUp(key)
		}
	}
}

// compare checks that both give the same snapshot, and the invariants.
func (p *pair) compare(t *testing.T) {
	t.Helper()
	for _, pid := range []uint32{0, 1} {
		for _, older := range []time.Duration{0, 40} {
			got := p.heap.Snapshot(live.Options{PID: pid, Older: older, Blocks: true, All: true, Way: modelWay, LostAllocs: 1})
			want := p.model.snapshot(pid, older)
			ignore := []string{"GrowthBytesPerSecond", "Followed", "Served", "Peak", "Temporary", "Detail"}
			if older != 0 {
				ignore = append(ignore, "Survival")
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(live.Stack{}, ignore...),
				cmpopts.IgnoreFields(live.Snapshot{}, "Served"), cmpopts.IgnoreFields(live.OldFree{}, "BytesPerSecond"),
				cmpopts.IgnoreFields(Snapshot{}, "Peak", "Threads")); diff != "" {
				t.Fatalf("pid %d older %v (-want +got):\n%s", pid, older, diff)
			}
			checkMeasures(t, &got, pid)
			if sum := got.Outstanding.Plus(got.Young); pid == 0 && p.heap.Live() != sum {
				t.Fatalf("live %v, want %v", p.heap.Live(), sum)
			}
			for _, st := range got.Stacks {
				if !(st.Survival >= 0 && st.Survival <= 1) {
					t.Fatalf("survival %v", st.Survival)
				}
			}
		}
	}
	inside := map[uint32]uint64{}
	for _, r := range p.heap.pending {
		if r.known {
			inside[r.block.origin.stack()]++
		}
	}
	for i, s := range p.heap.stacks.all {
		if s == nil {
			continue
		}
		if s.AllocatedBlocks != s.Blocks+s.measures().freed+s.DroppedBlocks+inside[uint32(i)] {
			t.Fatalf("stack %d does not add up: %+v, %d inside", i, *s, inside[uint32(i)])
		}
	}
	for a := range p.heap.late.byAddr {
		if p.heap.blocks.has(a.pid, a.addr) {
			t.Fatalf("%#x of %d is live and has a tombstone", a.addr, a.pid)
		}
	}
}

func FuzzHeap(f *testing.F) {
	f.Add([]byte("an allocation, a free and so on, whatever the letters say"))
	f.Add([]byte{0, 0, 9, 3, 3, 0, 1, 2, 5, 0, 1, 2, 12, 0, 1, 60, 0, 0, 1, 1})
	f.Add([]byte{12, 0, 9, 63, 0, 0, 9, 1, 5, 0, 1, 31, 14, 0, 0, 0, 15, 0, 15, 0})
	f.Add([]byte{0, 2, 17, 1, 11, 0xf0, 0, 3, 0, 2, 17, 1, 11, 0xf0, 1, 3, 12, 2, 1, 60})
	f.Fuzz(func(t *testing.T, data []byte) {
		p := newPair()
		for i := 0; i+4 <= len(data) && i < 4*500; i += 4 {
			p.step(data[i], data[i+1], data[i+2], data[i+3])
			if i%20 == 0 {
				p.compare(t)
			}
		}
		p.compare(t)
	})
}

// TestRandomEvents finds in every run what the fuzzer would find in its first minutes.
func TestRandomEvents(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 101 {
		p := newPair()
		for i := range 307 {
			x := r.Uint32()
			p.step(byte(x), byte(x>>8), byte(x>>16), byte(x>>24))
			if i%13 == 0 {
				p.compare(t)
			}
		}
		p.compare(t)
	}
}
