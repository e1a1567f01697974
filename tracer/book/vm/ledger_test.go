package vm

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

const (
	pid, tid, other = 100, 101, 102
	base            = 0x7f00_0000_0000
	stackA, stackB  = event.StackID(0xa), event.StackID(0xb)
	anonymous       = uint64(0x22) << 32 // MAP_PRIVATE | MAP_ANONYMOUS
	code            = 2<<32 | protExec   // of a file
)

func TestLedger(t *testing.T) {
	odd := mmap(1, 1, 0, stackA)
	odd.Size = 2*pageSize + 1
	tests := map[string]struct {
		steps    []any
		pieces   []piece
		unmapped map[event.StackID]uint64
		counters Counters
	}{
		"sizes are whole pages": {
			steps:    []any{odd},
			pieces:   []piece{{stackA, 1, 3, 1}},
			counters: Counters{Mmap: 1},
		},
		"mappings of code and of the allocator are not outstanding, those of files are": {
			steps: []any{
				with(code, ev(event.Mmap, 1, 0, 4, stackA)), allocator(mmap(2, 8, 4, stackA)),
				with(2<<32|mapDenyWrite<<32, ev(event.Mmap, 3, 12, 4, stackA)), with(2<<32, ev(event.Mmap, 4, 20, 4, stackB)),
			},
			pieces:   []piece{{stackB, 20, 4, 4}},
			counters: Counters{Mmap: 4},
		},
		"any mapping replaces what was there": {
			steps: []any{
				mmap(1, 0, 9, stackA), mmap(2, 1, 1, stackB),
				with(code, ev(event.Mmap, 3, 3, 1, stackB)), allocator(mmap(4, 5, 1, stackB)),
			},
			pieces: []piece{
				{stackA, 0, 1, 1}, {stackB, 1, 1, 2}, {stackA, 2, 1, 1}, {stackA, 4, 1, 1}, {stackA, 6, 3, 1},
			},
			counters: Counters{Mmap: 4},
		},
		"a munmap of parts, of several and of nothing": {
			steps: []any{
				mmap(1, 0, 4, stackA), mmap(2, 4, 4, stackB), mmap(3, 8, 4, stackA),
				munmap(4, 2, 8), munmap(5, 20, 4), allocator(munmap(6, 0, 1)),
			},
			pieces:   []piece{{stackA, 1, 1, 1}, {stackA, 10, 2, 3}},
			unmapped: map[event.StackID]uint64{stackB: 1},
			counters: Counters{Mmap: 3, Munmap: 3},
		},
		"a munmap that fails": {
			steps: []any{
				mmap(1, 0, 4, stackA), mmap(2, 4, 4, stackB), munmap(3, 1, 5), ev(event.MunmapFail, 4, 1, 5, 0),
			},
			pieces:   []piece{{stackA, 0, 4, 1}, {stackB, 4, 4, 2}},
			counters: Counters{Mmap: 2},
		},
		"a munmap that fails after another thread mapped over it": {
			steps: []any{
				mmap(1, 0, 4, stackA), munmap(2, 0, 4),
				by(other, mmap(3, 1, 1, stackB)), ev(event.MunmapFail, 4, 0, 4, 0),
			},
			pieces:   []piece{{stackA, 0, 1, 1}, {stackB, 1, 1, 3}, {stackA, 2, 2, 1}},
			counters: Counters{Mmap: 2},
		},
		"a failure is that of the last call": {
			steps: []any{
				mmap(1, 0, 4, stackA), munmap(2, 0, 4), munmap(3, 9, 1), ev(event.MunmapFail, 4, 9, 1, 0),
			},
			unmapped: map[event.StackID]uint64{stackA: 1},
			counters: Counters{Mmap: 1, Munmap: 1},
		},
		"an mremap moves a mapping to its own stack": {
			steps:    []any{mmap(1, 0, 4, stackA), enter(2, 0, 4), mremap(3, 0, 16, 8)},
			pieces:   []piece{{stackB, 16, 8, 3}},
			unmapped: map[event.StackID]uint64{stackA: 1},
			counters: Counters{Mmap: 1, Mremap: 1},
		},
		"an mremap that shrinks": {
			steps:    []any{mmap(1, 0, 4, stackA), enter(2, 0, 4), mremap(3, 0, 0, 2)},
			pieces:   []piece{{stackB, 0, 2, 3}},
			unmapped: map[event.StackID]uint64{stackA: 1},
			counters: Counters{Mmap: 1, Mremap: 1},
		},
		"an mremap that fails": {
			steps:    []any{mmap(1, 0, 4, stackA), enter(2, 0, 4), ev(event.MremapFail, 3, 0, 4, 0)},
			pieces:   []piece{{stackA, 0, 4, 1}},
			counters: Counters{Mmap: 1},
		},
		"an mremap with an old size of 0 duplicates": {
			steps:    []any{mmap(1, 0, 4, stackA), enter(2, 0, 0), mremap(3, 0, 16, 4)},
			pieces:   []piece{{stackA, 0, 4, 1}, {stackB, 16, 4, 3}},
			counters: Counters{Mmap: 1, Mremap: 1},
		},
		"MREMAP_DONTUNMAP keeps the old range": {
			steps:    []any{mmap(1, 0, 4, stackA), with(5, enter(2, 0, 4)), mremap(3, 0, 16, 4)},
			pieces:   []piece{{stackA, 0, 4, 1}, {stackB, 16, 4, 3}},
			counters: Counters{Mmap: 1, Mremap: 1},
		},
		"an mremap of what is not ours replaces all the same": {
			steps:    []any{mmap(1, 16, 4, stackA), enter(2, 0, 4), mremap(3, 0, 17, 2)},
			pieces:   []piece{{stackA, 16, 1, 1}, {stackA, 19, 1, 1}},
			counters: Counters{Mmap: 1, Mremap: 1},
		},
		"an mremap of the allocator": {
			steps:    []any{mmap(1, 0, 4, stackA), allocator(enter(2, 0, 4)), allocator(mremap(3, 0, 16, 4))},
			unmapped: map[event.StackID]uint64{stackA: 1},
			counters: Counters{Mmap: 1, Mremap: 1},
		},
		"an mremap whose entry was lost": {
			steps:    []any{mmap(1, 0, 4, stackA), mremap(3, 0, 16, 4)},
			pieces:   []piece{{stackB, 16, 4, 3}},
			unmapped: map[event.StackID]uint64{stackA: 1},
			counters: Counters{Mmap: 1, Mremap: 1},
		},
		"exec ends all": {
			steps: []any{
				mmap(1, 0, 4, stackA), mmap(1, 8, 4, stackA), munmap(2, 0, 4), ev(event.Exec, 3, 0, 0, 0),
				ev(event.MunmapFail, 4, 0, 4, 0), mmap(5, 0, 1, stackB),
			},
			pieces:   []piece{{stackB, 0, 1, 5}},
			unmapped: map[event.StackID]uint64{stackA: 1},
			counters: Counters{Mmap: 3, Munmap: 1},
		},
		"exit keeps what was never given back": {
			steps:    []any{mmap(1, 0, 4, stackA), ev(event.Exit, 2, 0, 0, 0)},
			pieces:   []piece{{stackA, 0, 4, 1}},
			counters: Counters{Mmap: 1},
		},
		"a late munmap behind its mapping": {
			steps:    []any{mmap(1, 0, 4, stackA), late(munmap(2, 1, 2))},
			pieces:   []piece{{stackA, 0, 1, 1}, {stackA, 3, 1, 1}},
			counters: Counters{Mmap: 1, Munmap: 1},
		},
		"a late munmap before its mapping, which is dead on arrival": {
			steps:    []any{late(munmap(2, 0, 4)), mmap(1, 0, 4, stackA), mmap(3, 2, 4, stackB)},
			pieces:   []piece{{stackB, 2, 4, 3}},
			unmapped: map[event.StackID]uint64{stackA: 1},
			counters: Counters{Mmap: 2, Munmap: 1},
		},
		"a late munmap spares what was mapped later, and ends what was at the same time": {
			steps:    []any{mmap(1, 0, 9, stackA), mmap(3, 2, 2, stackB), mmap(2, 6, 2, stackB), late(munmap(2, 1, 8))},
			pieces:   []piece{{stackA, 0, 1, 1}, {stackB, 2, 2, 3}},
			unmapped: map[event.StackID]uint64{stackB: 1},
			counters: Counters{Mmap: 3, Munmap: 1},
		},
		"a late munmap of what is older than the trace": {
			steps:    []any{late(munmap(2, 0, 4)), caughtUp(1), caughtUp(2), mmap(2, 0, 4, stackA)},
			pieces:   []piece{{stackA, 0, 4, 2}},
			counters: Counters{Mmap: 1, Munmap: 1},
		},
		"a late munmap that fails": {
			steps: []any{
				late(munmap(3, 0, 4)),
				mmap(1, 0, 4, stackA), mmap(2, 8, 4, stackB), caughtUp(3),
				ev(event.MunmapFail, 4, 0, 4, 0),
			},
			pieces:   []piece{{stackA, 0, 4, 1}, {stackB, 8, 4, 2}},
			counters: Counters{Mmap: 2},
		},
		"a late munmap that had failed": {
			steps:    []any{mmap(1, 0, 4, stackA), ev(event.MunmapFail, 3, 0, 4, 0), late(munmap(2, 0, 4))},
			pieces:   []piece{{stackA, 0, 4, 1}},
			counters: Counters{Mmap: 1},
		},
		"an mremap entered late": {
			steps:    []any{mmap(1, 0, 4, stackA), late(enter(2, 0, 4)), mremap(3, 0, 16, 8)},
			pieces:   []piece{{stackB, 16, 8, 3}},
			unmapped: map[event.StackID]uint64{stackA: 1},
			counters: Counters{Mmap: 1, Mremap: 1},
		},
		"an mremap entered late, told before the mapping": {
			steps:    []any{late(enter(2, 0, 4)), mmap(1, 0, 4, stackA), mremap(3, 0, 16, 8)},
			pieces:   []piece{{stackB, 16, 8, 3}},
			unmapped: map[event.StackID]uint64{stackA: 1},
			counters: Counters{Mmap: 1, Mremap: 1},
		},
		"an mremap entered late, told after it has returned": {
			// Until then the whole region counted as the old range.
			steps:    []any{mmap(1, 0, 8, stackA), mremap(3, 0, 16, 8), late(enter(2, 0, 4))},
			pieces:   []piece{{stackA, 4, 4, 1}, {stackB, 16, 8, 3}},
			counters: Counters{Mmap: 1, Mremap: 1},
		},
		"an mremap entered late that duplicates": {
			steps:    []any{late(enter(2, 0, 0)), mmap(1, 0, 4, stackA), mremap(3, 0, 16, 4)},
			pieces:   []piece{{stackA, 0, 4, 1}, {stackB, 16, 4, 3}},
			counters: Counters{Mmap: 1, Mremap: 1},
		},
		"an mremap entered late that leaves the old range": {
			steps: []any{
				late(with(mremapDontUnmap, enter(2, 0, 4))), mmap(1, 0, 4, stackA), mremap(3, 0, 16, 4),
			},
			pieces:   []piece{{stackA, 0, 4, 1}, {stackB, 16, 4, 3}},
			counters: Counters{Mmap: 1, Mremap: 1},
		},
		"an mremap entered late that leaves the old range, told after it has returned": {
			steps: []any{
				mmap(1, 0, 4, stackA), mremap(3, 0, 16, 4), late(with(mremapDontUnmap, enter(2, 0, 4))),
			},
			pieces:   []piece{{stackA, 0, 4, 1}, {stackB, 16, 4, 3}},
			counters: Counters{Mmap: 1, Mremap: 1},
		},
		"an mremap entered late that leaves the old range, of which a part is younger": {
			steps: []any{
				mmap(1, 1, 4, stackA), mmap(4, 0, 2, stackA),
				late(with(mremapDontUnmap, enter(2, 0, 4))), by(other, mremap(9, 30, 40, 1)), mremap(3, 0, 16, 4),
			},
			pieces:   []piece{{stackA, 0, 2, 4}, {stackA, 2, 3, 1}, {stackB, 16, 4, 3}},
			counters: Counters{Mmap: 2, Mremap: 2},
		},
		"an mremap entered late of what is not ours": {
			steps:    []any{late(enter(2, 0, 4)), allocator(mmap(1, 0, 4, stackA)), mremap(3, 0, 16, 4)},
			counters: Counters{Mmap: 1, Mremap: 1},
		},
		"an mremap entered late that fails": {
			steps: []any{
				late(enter(5, 0, 4)),
				munmap(1, 8, 4), mmap(2, 0, 4, stackA), mmap(3, 8, 4, stackB),
				ev(event.MremapFail, 6, 0, 4, 0),
			},
			pieces:   []piece{{stackA, 0, 4, 2}, {stackB, 8, 4, 3}},
			counters: Counters{Mmap: 2, Munmap: 1},
		},
		"an mremap entered late that had failed": {
			steps:    []any{mmap(1, 0, 4, stackA), ev(event.MremapFail, 3, 0, 4, 0), late(enter(2, 0, 4))},
			pieces:   []piece{{stackA, 0, 4, 1}},
			counters: Counters{Mmap: 1},
		},
		"what a failed munmap gives back ends by a late one": {
			steps: []any{
				mmap(1, 0, 4, stackA), by(other, munmap(2, 0, 4)),
				late(munmap(4, 2, 2)),
				by(other, ev(event.MunmapFail, 3, 0, 4, 0)),
			},
			pieces:   []piece{{stackA, 0, 2, 1}},
			counters: Counters{Mmap: 1, Munmap: 1},
		},
		"a late munmap from before an exec": {
			steps: []any{
				mmap(1, 0, 4, stackA), ev(event.Exec, 3, 0, 0, 0), mmap(4, 0, 4, stackB),
				late(munmap(2, 0, 4)),
			},
			pieces:   []piece{{stackB, 0, 4, 4}},
			counters: Counters{Mmap: 2, Munmap: 1},
		},
		"an exec ends what a late munmap gives back": {
			steps: []any{
				mmap(1, 0, 4, stackA),
				late(munmap(4, 0, 4)),
				ev(event.Exec, 3, 0, 0, 0),
				ev(event.MunmapFail, 5, 0, 4, 0),
			},
			unmapped: map[event.StackID]uint64{stackA: 1},
			counters: Counters{Mmap: 1},
		},
		"a gap ends what a late munmap gives back": {
			steps: []any{
				mmap(1, 0, 4, stackA), late(munmap(2, 0, 4)), gap(3), ev(event.MunmapFail, 4, 0, 4, 0),
			},
			unmapped: map[event.StackID]uint64{stackA: 1},
			counters: Counters{Mmap: 1},
		},
		"brk and mprotect are counted": {
			steps:    []any{ev(event.Brk, 1, 1, 0, 0), allocator(ev(event.Mprotect, 2, 1, 1, 0))},
			counters: Counters{Brk: 1, Mprotect: 1},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := NewLedger()
			play(t, l, tt.steps)
			snap := l.Snapshot(live.Options{PID: pid, Blocks: true, All: true})
			got, unmapped := map[piece]bool{}, map[event.StackID]uint64{}
			for _, st := range snap.Stacks {
				for _, b := range st.BlockList {
					got[piece{st.ID, (b.Address - base) / pageSize, b.Bytes / pageSize, snap.Now - uint64(b.Age)}] = true
				}
				if st.FreedBlocks > 0 {
					unmapped[st.ID] = st.FreedBlocks
				}
			}
			want := map[piece]bool{}
			for _, p := range tt.pieces {
				want[p] = true
			}
			if tt.unmapped == nil {
				tt.unmapped = map[event.StackID]uint64{}
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(piece{})); diff != "" {
				t.Errorf("regions (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.unmapped, unmapped); diff != "" {
				t.Errorf("unmapped (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.counters, l.Counters(pid)); diff != "" {
				t.Errorf("counters (-want +got):\n%s", diff)
			}
		})
	}
}
