package heap

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

func TestSnapshot(t *testing.T) {
	ms := uint64(time.Millisecond)
	h := New(Config{Older: 400 * time.Millisecond})
	play(t, h, []any{
		alloc(100*ms, 0x10, 8, stackA), alloc(200*ms, 0x20, 30, stackA), alloc(300*ms, 0x30, 8, stackA),
		alloc(400*ms, 0x40, 100, stackB), free(500*ms, 0x40),
		alloc(600*ms, 0x50, 1000, stackB), alloc(910*ms, 0x60, 5000, stackA), free(950*ms, 0x10),
	})
	got := h.Snapshot(live.Options{
		Now: 1000 * ms, Older: 400 * time.Millisecond, Blocks: true, MaxBlocks: 1,
	})
	at := func(t uint64) time.Duration { return time.Duration((1000 - t) * ms) }
	want := Snapshot{Counters: Counters{Alloc: 6, Free: 2}, Snapshot: live.Snapshot{
		Now: 1000 * ms,
		Stacks: []live.Stack{
			{
				ID: stackB, PID: pid, Sum: live.Sum{Bytes: 1000, Blocks: 1},
				AllocatedBytes: 1100, AllocatedBlocks: 2, FreedBlocks: 1,
				// The block at 600 ms is too near in age for its bucket to count.
				Survival: 0.0,
				Oldest:   at(600), Youngest: at(600),
				// The thread that allocated the block of 100 bytes called free next.
				Temporary: 1, Peak: live.Sum{Bytes: 1000, Blocks: 1},
				BlockList: []live.Block{{Address: 0x50, Bytes: 1000, Age: at(600)}},
			},
			{
				ID: stackA, PID: pid, Sum: live.Sum{Bytes: 38, Blocks: 2}, Young: 5000,
				AllocatedBytes: 5046, AllocatedBlocks: 4, FreedBlocks: 1,
				Survival: 2.0 / 3,
				Oldest:   at(200), Youngest: at(300),
				Peak:      live.Sum{Bytes: 5046, Blocks: 4}, // at 910 ms
				BlockList: []live.Block{{Address: 0x20, Bytes: 30, Age: at(200)}},
			},
		},
		Outstanding: live.Sum{Bytes: 1038, Blocks: 3}, Young: live.Sum{Bytes: 5000, Blocks: 1},
	}}
	growth := cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".GrowthBytesPerSecond" || p.Last().String() == ".Followed"
	}, cmp.Ignore())
	if diff := cmp.Diff(want, got, growth); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	if got := h.Snapshot(live.Options{PID: pid + 1, All: true}); got.Stacks != nil || got.Counters != (Counters{}) {
		t.Errorf("a process never seen has %+v", got)
	}
	all := h.Snapshot(live.Options{Now: 1000 * ms})
	if diff := cmp.Diff(0.75, all.Stacks[0].Survival); diff != "" {
		t.Errorf("survival of all ages (-want +got):\n%s", diff)
	}
}

func TestGrowth(t *testing.T) {
	h := New(Config{})
	second := uint64(time.Second)
	// stackA leaks 100 bytes every 10 ms. stackB fills a cache and works in it.
	for i := range uint64(1009) {
		now := second + i*second/100
		play(t, h, []any{alloc(now, 0x1000+i*16, 100, stackA), alloc(now, 0x100000+(i%101)*16, 5000, stackB)})
	}
	for _, st := range h.Snapshot(live.Options{}).Stacks {
		want := map[event.StackID]float64{stackA: 10_000, stackB: 0}[st.ID]
		if math.Abs(st.GrowthBytesPerSecond-want) > 100 {
			t.Errorf("stack %x grows by %.0f bytes/s, want %.0f", st.ID, st.GrowthBytesPerSecond, want)
		}
	}
}

func TestProcessesAreApart(t *testing.T) {
	h := New(Config{})
	a, b := alloc(1, addrA, 8, 0), alloc(2, addrA, 24, 0)
	b.PID = pid + 1
	h.Apply(&a)
	h.Apply(&b)
	h.Apply(&event.Event{Kind: event.Exit, PID: pid, Time: 3})
	h.Apply(&event.Event{Kind: event.Exec, PID: pid + 1, Time: 4})
	one, both := h.Snapshot(live.Options{PID: pid}), h.Snapshot(live.Options{})
	if want := (live.Sum{Bytes: 8, Blocks: 1}); one.Outstanding != want || both.Outstanding != want {
		t.Errorf("outstanding %v and %v, want %v", one.Outstanding, both.Outstanding, want)
	}
	if !one.Exited || both.Exited {
		t.Errorf("exited %v and %v, want true and false", one.Exited, both.Exited)
	}
	h.Gap(0, 10)
	c := alloc(9, addrA, 8, 0)
	c.PID = pid + 2 // first seen after the gap, allocated before it
	h.Apply(&c)
	if got := h.Snapshot(live.Options{}); got.Outstanding != (live.Sum{}) || got.Counters.Dropped != (live.Sum{Bytes: 16, Blocks: 2}) {
		t.Errorf("after a gap: outstanding %v, dropped %v", got.Outstanding, got.Counters.Dropped)
	}
}
