package heap

import (
	"math/rand/v2"
	"testing"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

const (
	benchPID    = 4242
	benchStacks = 1000
)

// filled returns a Heap with n live blocks, and their addresses in random order.
func filled(n int) (*Heap, []uint64) {
	r := rand.New(rand.NewPCG(3, 4))
	h := New(Config{})
	addrs := make([]uint64, n)
	ev := event.Event{Kind: event.Alloc, PID: benchPID, TID: benchPID, Size: 40}
	for i, at := range r.Perm(n) {
		ev.Addr = 0x5555_5555_0010 + uint64(at)*48
		ev.Stack = event.StackID((at%benchStacks + 1) * 0x9e3779b97f4a7c1)
		ev.Time += 300
		h.Apply(&ev)
		addrs[i] = ev.Addr
	}
	r.Shuffle(n, func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	return h, addrs
}

// BenchmarkHeapApply frees a random block of a million and allocates at the address of the
// block freed a little earlier, from one of a thousand stacks.
func BenchmarkHeapApply(b *testing.B) {
	h, addrs := filled(1_000_003)
	free := event.Event{Kind: event.Free, PID: benchPID, TID: benchPID, Time: 1 << 40}
	alloc := event.Event{Kind: event.Alloc, PID: benchPID, TID: benchPID, Size: 40, Time: 1 << 40}
	spare := addrs[0]
	free.Addr = spare
	h.Apply(&free)
	b.ReportAllocs()
	i := 1
	for b.Loop() {
		free.Time += 300
		free.Addr = addrs[i]
		h.Apply(&free)
		alloc.Time = free.Time + 100
		alloc.Addr = spare
		alloc.Stack = event.StackID((i%benchStacks + 1) * 0x9e3779b97f4a7c1)
		h.Apply(&alloc)
		spare, addrs[i] = addrs[i], spare
		if i++; i == len(addrs) {
			i = 1
		}
	}
}

func BenchmarkHeapRealloc(b *testing.B) {
	h, addrs := filled(1_000_003)
	ev := event.Event{PID: benchPID, TID: benchPID, Size: 80, Stack: 99, Time: 1 << 40}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		ev.Time += 300
		ev.Addr = addrs[i]
		ev.Kind = event.ReallocEnter
		h.Apply(&ev)
		ev.Kind = event.Realloc
		h.Apply(&ev)
		if i++; i == len(addrs) {
			i = 0
		}
	}
}

// BenchmarkHeapGrow fills a heap with two million blocks, which includes its growth.
func BenchmarkHeapGrow(b *testing.B) {
	const n = 2_000_003
	for b.Loop() {
		h := New(Config{})
		ev := event.Event{Kind: event.Alloc, PID: benchPID, TID: benchPID, Size: 40, Stack: 1}
		for i := range uint64(n) {
			ev.Addr = 0x5555_5555_0010 + i*48
			ev.Time += 300
			h.Apply(&ev)
		}
		b.ReportMetric(float64(h.MemoryBytes())/n, "bytes/block")
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/n, "ns/block")
}

func BenchmarkHeapSnapshot(b *testing.B) {
	h, _ := filled(1_000_003)
	for b.Loop() {
		h.Snapshot(live.Options{PID: benchPID, Blocks: true, MaxBlocks: 10})
	}
}

func TestApplyAllocatesNothing(t *testing.T) {
	h, addrs := filled(20_011)
	ev := event.Event{PID: benchPID, Size: 40, Stack: 0x9e3779b97f4a7c1, Time: 1 << 40}
	i := 0
	allocs := testing.AllocsPerRun(50_000, func() {
		ev.Time += 100_000
		ev.TID = benchPID + uint32(i%17)
		ev.Addr = addrs[i%len(addrs)]
		for _, k := range []event.Kind{event.Free, event.Alloc, event.ReallocEnter, event.Realloc, event.ReallocEnter, event.ReallocFail} {
			ev.Kind = k
			h.Apply(&ev)
		}
		i++
	})
	if allocs != 0 {
		t.Errorf("%v allocations per round of events, want 0", allocs)
	}
}
