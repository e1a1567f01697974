package heap

import (
	"maps"
	"math/rand/v2"
	"testing"
	"unsafe"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// Where only blocks of some sizes are reported, the next call that is reported says nothing.
func TestTemporaryOfSomeSizes(t *testing.T) {
	const ms = 1 << 20
	for _, cfg := range []Config{{}, {MinSize: 100}} {
		h := New(cfg)
		h.Apply(&event.Event{Kind: event.Alloc, PID: 1, TID: 1, Time: base, Addr: 16, Size: 100, Stack: 1})
		h.Apply(&event.Event{Kind: event.Free, PID: 1, TID: 1, Time: base + 2*ms, Addr: 16})
		h.Apply(&event.Event{Kind: event.Alloc, PID: 1, TID: 1, Time: base + 3*ms, Addr: 16, Size: 100, Stack: 1})
		h.Apply(&event.Event{Kind: event.Free, PID: 1, TID: 2, Time: base + 4*ms, Addr: 16})
		want := uint64(1) // within a millisecond
		if cfg.MinSize == 0 {
			want = 2
		}
		if got := h.Snapshot(live.Options{PID: 1, All: true}).Stacks[0].Temporary; got != want {
			t.Errorf("%+v: %d temporary blocks, want %d", cfg, got, want)
		}
	}
}

// More threads than can be told apart take the slots of those that hold nothing.
func TestManyThreads(t *testing.T) {
	h := New(Config{})
	const n = maxSlots + 5_000
	for i := range uint32(n) {
		ev := event.Event{Kind: event.Alloc, PID: 1, TID: 1 + i, Time: base + uint64(i), Addr: 64 * uint64(i+1), Size: 1 + uint64(i), Stack: 1}
		h.Apply(&ev)
		if i%10 != 0 {
			ev.Kind = event.Free
			h.Apply(&ev)
		}
	}
	snap := h.Snapshot(live.Options{PID: 1})
	checkMeasures(t, &snap, 1)
	if len(snap.Threads) != mostOfProcess+1 || snap.Threads[0].TID != 1+(n-1)/10*10 || snap.Threads[0].Bytes != 1+(n-1)/10*10 {
		t.Errorf("%d threads, the first %+v", len(snap.Threads), snap.Threads[0])
	}
	if snap.Stacks[0].Detail.Threads[0] != snap.Threads[0] || len(snap.Stacks[0].Detail.Threads) != mostThreads+1 {
		t.Errorf("threads of the stack: %+v", snap.Stacks[0].Detail.Threads)
	}
	if len(h.FreshThreads()) != mostFresh || h.FreshThreads() != nil {
		t.Error("fresh threads are not what was seen")
	}
}

// Where nearly all threads hold something, slots are not looked for at each new thread: that is a
// look at every block.
func TestSlotsAreFew(t *testing.T) {
	h := New(Config{})
	const full, freed = maxSlots - 1, 100
	told := make(map[int]int)
	for i := range uint32(full + maxSlots + freed) {
		ev := event.Event{Kind: event.Free, PID: 1, TID: i, Time: base + uint64(i), Size: 1, Stack: 1}
		if i >= full && i < full+freed {
			ev.Addr = 64 * uint64(i-full+1) // that of an early thread
			h.Apply(&ev)
		}
		ev.Kind, ev.TID, ev.Addr = event.Alloc, i+1, 64*uint64(i+1)
		h.Apply(&ev)
		if h.callers.byThread[thread{1, i + 1}].slot != 0 {
			told[int(i)/full]++
		}
	}
	if want := (map[int]int{0: full, 1: 1, 2: freed - 1}); !maps.Equal(told, want) {
		t.Errorf("threads told apart: %v, want %v", told, want)
	}
}

// A peak that comes after 2^32 others is none of the first.
func TestEpochsWrap(t *testing.T) {
	h := New(Config{})
	apply := func(kind event.Kind, addr uint64, stack event.StackID) {
		h.Apply(&event.Event{Kind: kind, PID: 1, TID: 1, Time: base + addr, Addr: addr, Size: addr, Stack: stack})
	}
	apply(event.Alloc, 10, 1)
	apply(event.Alloc, 20, 2)
	h.process(1).peak.epoch = 1<<32 - 1
	for i, s := range h.stacks.all {
		s.epoch, s.saved = uint32(i+1), live.Sum{Bytes: 7}
	}
	apply(event.Alloc, 30, 3)
	for _, st := range h.Snapshot(live.Options{PID: 1}).Stacks {
		if st.Peak != st.Sum {
			t.Errorf("stack %d holds %+v, at the peak %+v", st.ID, st.Sum, st.Peak)
		}
	}
}

// A class reaches four times as far as the one before.
func TestClasses(t *testing.T) {
	for _, first := range []int{live.FirstSize, live.FirstLifetime} {
		for class := range live.Classes - 1 {
			bound := live.Bound(class, first)
			if classOf(bound, first) != class || classOf(bound+1, first) != class+1 {
				t.Errorf("class %d up to %d: %d and %d", class, bound, classOf(bound, first), classOf(bound+1, first))
			}
		}
	}
	if classOf(0, 2) != 0 || classOf(^uint64(0), 2) != live.Classes-1 {
		t.Error("the ends have other classes")
	}
}

// A free touches one cache line of a stack, an allocation one more.
func TestStackLayout(t *testing.T) {
	var s stack
	if unsafe.Sizeof(s) != 320 || unsafe.Offsetof(s.AllocatedBytes) != 64 {
		t.Errorf("%d bytes, what allocations change begins at %d", unsafe.Sizeof(s), unsafe.Offsetof(s.AllocatedBytes))
	}
}

// Of more blocks than a small count holds none is lost, nor of those of stacks that are given up.
func TestManyBlocks(t *testing.T) {
	h := New(Config{})
	var sizes, lifetimes live.Histogram
	r := rand.New(rand.NewPCG(1, 2))
	now := base
	for i := range uint64(5_000) {
		size, age := uint64(1)<<r.Uint64N(36), uint64(1)<<r.Uint64N(46)
		ev := event.Event{Kind: event.Alloc, PID: 1, TID: 1, Time: now, Addr: 16, Size: size, Stack: event.StackID(1 + i/1000)}
		h.Apply(&ev)
		sizes[classOf(size, live.FirstSize)]++
		now += age
		ev.Kind, ev.Time = event.Free, now
		h.Apply(&ev)
		lifetimes[classOf(age, live.FirstLifetime)]++
		if i%1500 == 999 {
			h.GiveUp()
		}
	}
	var got live.Detail
	snap := h.Snapshot(live.Options{PID: 1, Past: true})
	for _, st := range snap.Past {
		got.Sizes.Merge(st.Detail.Sizes)
		got.Lifetimes.Merge(st.Detail.Lifetimes)
	}
	if len(snap.Past) < 2 || got.Sizes != sizes || got.Lifetimes != lifetimes {
		t.Errorf("%d stacks: %+v, want sizes %v, lifetimes %v", len(snap.Past), got, sizes, lifetimes)
	}
	if h.StackBytes() < uint64(len(snap.Past))*(stackBytes+countsBytes) {
		t.Errorf("%d bytes for %d stacks with counts", h.StackBytes(), len(snap.Past))
	}
}
