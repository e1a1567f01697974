package vm

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

func TestSnapshot(t *testing.T) {
	second := uint64(time.Second)
	l := NewLedger()
	apply := func(e event.Event) { l.Apply(&e) }
	for i := range uint64(101) {
		apply(mmap((i+10)*second/10, 2*i, 1, stackA))
	}
	apply(mmap(12*second, 1000, 5, stackB))
	apply(munmap(12*second, 1001, 1))
	snap := l.Snapshot(live.Options{Now: 13 * second, Older: 2 * time.Second, Blocks: true, MaxBlocks: 2})
	if len(snap.Stacks) != 1 {
		t.Fatalf("%d stacks, want the one that is old enough", len(snap.Stacks))
	}
	st := snap.Stacks[0]
	if rate := st.GrowthBytesPerSecond; math.Abs(rate-10*pageSize) > pageSize {
		t.Errorf("grows by %.0f bytes/s, want %d", rate, 10*pageSize)
	}
	st.GrowthBytesPerSecond, st.Followed = 0, 0
	want := live.Stack{
		ID: stackA, PID: pid, Sum: live.Sum{Bytes: 101 * pageSize, Blocks: 101},
		AllocatedBytes: 101 * pageSize, AllocatedBlocks: 101,
		Survival: 1, Oldest: 12 * time.Second, Youngest: 2 * time.Second,
		BlockList: []live.Block{
			{Address: base, Bytes: pageSize, Age: 12 * time.Second},
			{Address: base + 2*pageSize, Bytes: pageSize, Age: 11900 * time.Millisecond},
		},
	}
	if diff := cmp.Diff(want, st); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := (live.Sum{Bytes: 4 * pageSize, Blocks: 2}); snap.Young != want {
		t.Errorf("young %v, want %v", snap.Young, want)
	}
	l.Gap(0, 6*second)
	if got := l.Counters(0).Dropped; got != (live.Sum{Bytes: 51 * pageSize, Blocks: 51}) {
		t.Errorf("dropped %v, want 51 pages", got)
	}
}

func TestEach(t *testing.T) {
	l := NewLedger()
	// The middle of the first is given back; the second is the allocator's.
	play(t, l, []any{mmap(1, 10, 5, stackA), allocator(mmap(2, 20, 5, stackB)), mmap(3, 2, 1, stackB), munmap(4, 12, 1)})
	type part struct {
		Stack       event.StackID
		Page, Pages uint64
	}
	var got []part
	l.Each(pid, func(start, end uint64, s event.StackID) {
		got = append(got, part{s, (start - base) / pageSize, (end - start) / pageSize})
	})
	want := []part{{stackB, 2, 1}, {stackA, 10, 2}, {stackA, 13, 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	l.Each(other, func(uint64, uint64, event.StackID) { t.Error("a process that is not known has regions") })
}

// Memory that is no longer mapped is gone, unless it was mapped after that was seen.
func TestUnmapped(t *testing.T) {
	l := NewLedger()
	play(t, l, []any{mmap(1, 10, 5, stackA), mmap(2, 20, 5, stackA), mmap(9, 30, 5, stackB)})
	l.Unmapped(pid, base+12*pageSize, base+40*pageSize, 5)
	l.Unmapped(pid, base, base, 5)
	l.Unmapped(other, 0, base+40*pageSize, 5)
	var got []uint64
	l.Each(pid, func(start, end uint64, _ event.StackID) {
		got = append(got, (start-base)/pageSize, (end-base)/pageSize)
	})
	if diff := cmp.Diff([]uint64{10, 12, 30, 35}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := (live.Sum{Bytes: 7 * pageSize, Blocks: 2}); l.Live() != want {
		t.Errorf("%+v is live, want %+v", l.Live(), want)
	}
}
