package heap

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

func freeOf(t, addr, chunk uint64) event.Event  { return ev(event.Free, t, addr, chunk, 0) }
func enterOf(t, addr, chunk uint64) event.Event { return ev(event.ReallocEnter, t, addr, chunk, 0) }

// chunks is a live.Way by the rule of glibc's heaps.
func chunks(_, size uint64, _ event.Flags) (way int, taken uint64) {
	return 0, max(32, (size+8+15)&^15)
}

func TestOldFrees(t *testing.T) {
	const a, b, c = 0x1000, 0x2000, 0x3000
	of := func(chunk, blocks uint64) live.OldFree {
		return live.OldFree{Chunk: chunk, Blocks: blocks, Bytes: chunk * blocks}
	}
	tests := map[string]struct {
		cfg     Config
		steps   []any
		lost    uint64
		want    []live.OldFree
		unsized uint64
	}{
		"by size": {
			steps: []any{freeOf(1, a, 64), freeOf(2, b, 4096), freeOf(3, c, 64), freeOf(4, c, 0), freeOf(5, c, 16)},
			want:  []live.OldFree{of(4096, 1), of(64, 2)}, unsized: 2,
		},
		"blocks of the trace are none": {
			steps: []any{alloc(1, a, 50, stackA), freeOf(2, a, 64), alloc(3, a, 50, stackA), enterOf(4, a, 64), realloc(5, a, b, 90)},
		},
		"realloc frees the old size": {
			steps: []any{enterOf(1, a, 64), realloc(2, a, b, 100), freeOf(3, b, 112)},
			want:  []live.OldFree{of(64, 1)},
		},
		"realloc that fails frees nothing": {
			steps: []any{enterOf(1, a, 64), fail(2, a), freeOf(3, a, 64)},
			want:  []live.OldFree{of(64, 1)},
		},
		"a late realloc that fails frees nothing": {
			steps: []any{late(enterOf(1, a, 64)), fail(2, a), caughtUp(3)},
		},
		"late, once its allocation cannot come": {
			steps: []any{late(freeOf(1, a, 64)), late(freeOf(2, b, 64)), alloc(1, b, 50, stackA), caughtUp(3)},
			want:  []live.OldFree{of(64, 1)},
		},
		"late, of an evicted block": {
			steps: []any{alloc(1, a, 50, stackA), alloc(3, a, 50, stackA), freeOf(4, a, 64), late(freeOf(2, a, 64)), caughtUp(5)},
		},
		"exec forgets": {
			steps: []any{freeOf(1, a, 64), ev(event.Exec, 2, 0, 0, 0), freeOf(3, a, 80)},
			want:  []live.OldFree{of(80, 1)},
		},
		"an exec that spilled forgets": {
			steps: []any{freeOf(1, a, 64), gap(2), freeOf(3, a, 80)},
			want:  []live.OldFree{of(80, 1)},
		},
		"a realloc from before what an exec spilled gives nothing back": {
			steps:   []any{enterOf(1, a, 0), gap(2), freeOf(3, b, 0), fail(4, a)},
			unsized: 1,
		},
		"exit does not": {
			steps: []any{freeOf(1, a, 64), ev(event.Exit, 2, 0, 0, 0)},
			want:  []live.OldFree{of(64, 1)},
		},
		"sizes that are not traced": {
			// A chunk of 112 bytes is of at most 104, one of 64 perhaps of 25.
			cfg:   Config{MinSize: 30, MaxSize: 200},
			steps: []any{freeOf(1, a, 32), freeOf(2, a, 64), freeOf(3, a, 112), freeOf(4, a, 224), freeOf(5, a, 272)},
			want:  []live.OldFree{of(112, 1)}, unsized: 2,
		},
		"as many as were lost are in doubt": {
			steps: []any{freeOf(1, a, 64), freeOf(1, b, 64), freeOf(1, c, 64), freeOf(1, addrA, 64)},
			lost:  1,
			want:  []live.OldFree{of(64, 3)}, unsized: 1,
		},
		"all are in doubt": {
			steps: []any{freeOf(1, a, 64)}, lost: 2, unsized: 1,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := New(tt.cfg)
			play(t, h, tt.steps)
			got := h.Snapshot(live.Options{PID: pid, Way: chunks, LostAllocs: tt.lost})
			if diff := cmp.Diff(tt.want, got.Old, cmpopts.IgnoreFields(live.OldFree{}, "BytesPerSecond")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.OldUnsized != tt.unsized {
				t.Errorf("%d frees without a size, want %d", got.OldUnsized, tt.unsized)
			}
			other := h.Snapshot(live.Options{PID: pid})
			if other.Old != nil || other.OldUnsized < got.OldUnsized {
				t.Errorf("with another allocator: %+v, %d without a size", other.Old, other.OldUnsized)
			}
		})
	}
}

// Blocks that a gap made untrustworthy are freed like old ones, but are none.
func TestOldFreesAfterGap(t *testing.T) {
	h := New(Config{})
	play(t, h, []any{alloc(1, 0x1000, 50, stackA), alloc(2, 0x2000, 50, stackA)})
	h.Gap(0, 3)
	play(t, h, []any{freeOf(4, 0x1000, 64), freeOf(5, 0x2000, 64), freeOf(6, 0x3000, 64)})
	got := h.Snapshot(live.Options{PID: pid, Way: chunks})
	want := []live.OldFree{{Chunk: 64, Blocks: 1, Bytes: 64}}
	if diff := cmp.Diff(want, got.Old, cmpopts.IgnoreFields(live.OldFree{}, "BytesPerSecond")); diff != "" || got.OldUnsized != 2 {
		t.Errorf("%d without a size (-want +got):\n%s", got.OldUnsized, diff)
	}
}

// Sizes beyond a number are counted together.
func TestOldFreesAreBounded(t *testing.T) {
	h := New(Config{})
	const sizes = maxOldSizes + 300
	for i := range uint64(sizes) {
		e := freeOf(i, 16*i+16, 32+16*i)
		h.Apply(&e)
	}
	old := h.Snapshot(live.Options{PID: pid, Way: chunks}).Old
	if len(old) != maxOldSizes+1 || old[0].Chunk != 0 || old[0].Blocks != sizes-maxOldSizes {
		t.Errorf("%d sizes, the first %+v", len(old), old[0])
	}
}

func TestOldFreesGrow(t *testing.T) {
	h := New(Config{})
	for i := range uint64(1009) {
		e := freeOf(uint64(time.Second)+i*uint64(time.Second)/100, 16*i+16, 112)
		h.Apply(&e)
	}
	old := h.Snapshot(live.Options{PID: pid, Way: chunks}).Old
	if len(old) != 1 || old[0].BytesPerSecond < 11_000 || old[0].BytesPerSecond > 11_400 {
		t.Errorf("%+v, want 11,200 bytes/s", old)
	}
}

// A cache and a leak: what of each stack takes the place of old blocks.
func TestReplaced(t *testing.T) {
	h := New(Config{})
	for i := range uint64(100) {
		at := 0x10000 + i*0x1000
		play(t, h, []any{
			freeOf(10*i+1, at, 304), alloc(10*i+2, at, 290, stackA),
			alloc(10*i+3, at+0x200, 100, stackB),
		})
		if i < 25 { // a quarter of the replaced
			play(t, h, []any{alloc(10*i+4, at+0x400, 1000, 0xc), alloc(10*i+5, at+0x800, 1000, 0xd), freeOf(10*i+6, 0x900000+at, 1008)})
		}
	}
	want := map[event.StackID][2]uint64{stackA: {30_400, 100}, stackB: {}, 0xc: {12_600, 13}, 0xd: {12_600, 13}}
	for _, st := range h.Snapshot(live.Options{PID: pid, Way: chunks}).Stacks {
		if got := [2]uint64{st.ReplacedBytes, st.ReplacedBlocks}; got != want[st.ID] {
			t.Errorf("stack %x: %d bytes in %d blocks are replaced, want %v", st.ID, got[0], got[1], want[st.ID])
		}
	}
}

// What a wrapper frees within its own free is none of the program's, unless it is a block. That does
// not depend on how its event comes.
func TestFreeWithinWrapper(t *testing.T) {
	within := func(time, addr uint64) event.Event {
		e := freeOf(time, addr, 64)
		e.Flags = event.InAllocator
		return e
	}
	for _, late := range []bool{false, true} {
		h := New(Config{})
		for _, e := range []event.Event{alloc(1, 0x100, 50, 1), freeOf(2, 0x100, 0), within(3, 0xf0), alloc(4, 0x200, 60, 1), freeOf(5, 0x900, 0), within(6, 0x200)} {
			if late && e.Kind == event.Free {
				h.ApplyLateFree(&e)
			} else {
				h.Apply(&e)
			}
		}
		h.CaughtUp(7)
		c := h.Counters(0)
		if c.Free != 3 || c.UnknownFree != 1 || h.Live() != (live.Sum{}) {
			t.Errorf("late %v: %d frees, %d of unknown blocks, %+v left", late, c.Free, c.UnknownFree, h.Live())
		}
	}
}
