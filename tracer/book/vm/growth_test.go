package vm

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// accessible is the Arg of an anonymous mmap that can be read and written.
const accessible = anonymous | 3

func brk(t, page uint64, s event.StackID) event.Event {
	e := ev(event.Brk, t, page, 0, s)
	e.Arg = e.Addr
	return e
}

func mprotect(t, page, size, prot uint64, s event.StackID) event.Event {
	return with(prot, ev(event.Mprotect, t, page, size, s))
}

func grown(t, page, size uint64, s event.StackID) event.Event {
	return with(accessible, ev(event.Mmap, t, page, size, s))
}

func mremapBy(t, old, page, size uint64, s event.StackID) event.Event {
	return with(base+old*pageSize, ev(event.Mremap, t, page, size, s))
}

// held is the pages and the number of regions of each stack.
type held map[event.StackID]live.Sum

func pagesHeld(l *Ledger) held {
	h := make(held)
	for _, s := range l.Snapshot(live.Options{}).Stacks {
		h[s.ID] = live.Sum{Bytes: s.Bytes / pageSize, Blocks: s.Blocks}
	}
	return h
}

func TestGrowth(t *testing.T) {
	// Before the trace the break is at page 20, pages 100 to 109 are mapped, and pages 110 to
	// 119 are mapped and reserved.
	initial := []Initial{
		{Start: base + 10*pageSize, End: base + 20*pageSize},
		{Start: base + 100*pageSize, End: base + 110*pageSize},
		{Start: base + 110*pageSize, End: base + 120*pageSize, Reserved: true},
	}
	for name, tc := range map[string]struct {
		steps []any
		want  held
	}{
		"the break rises, and falls a bit": {
			[]any{brk(1, 23, stackA), brk(2, 33, stackB), brk(3, 30, stackA)},
			held{stackA: {Bytes: 3, Blocks: 1}, stackB: {Bytes: 7, Blocks: 1}},
		},
		"the break falls below where it was": {
			[]any{brk(1, 23, stackA), brk(2, 15, stackA), brk(3, 18, stackB)},
			held{stackB: {Bytes: 3, Blocks: 1}},
		},
		"the break is asked for": {[]any{ev(event.Brk, 1, 20, 0, 0)}, held{}},
		"an allocator's mmap counts": {
			[]any{allocator(grown(1, 200, 5, stackA))}, held{stackA: {Bytes: 5, Blocks: 1}},
		},
		"a file's, but not code": {
			[]any{with(3|2<<32, ev(event.Mmap, 1, 200, 5, stackA)), with(code, ev(event.Mmap, 2, 210, 5, stackB))}, held{stackA: {Bytes: 5, Blocks: 1}},
		},
		"reserved memory counts as it becomes usable": {
			[]any{mmap(1, 200, 50, stackA), mprotect(2, 200, 5, 3, stackB), mprotect(3, 200, 8, 3, stackA)},
			held{stackA: {Bytes: 3, Blocks: 1}, stackB: {Bytes: 5, Blocks: 1}},
		},
		"so does what was reserved before the trace": {
			[]any{mprotect(1, 105, 10, 3, stackA)}, held{stackA: {Bytes: 5, Blocks: 1}},
		},
		"memory that is made useless is given back": {
			[]any{grown(1, 200, 8, stackA), mprotect(2, 202, 4, 0, 0), mprotect(3, 203, 1, 1, stackB)},
			held{stackA: {Bytes: 4, Blocks: 2}, stackB: {Bytes: 1, Blocks: 1}},
		},
		"other rights are no growth": {
			[]any{grown(1, 200, 8, stackA), mprotect(2, 200, 8, 1, stackB), mprotect(3, 100, 10, 1, stackB)},
			held{stackA: {Bytes: 8, Blocks: 1}},
		},
		"the rest of what was unmapped": {
			[]any{grown(1, 200, 8, stackA), munmap(2, 201, 5)}, held{stackA: {Bytes: 3, Blocks: 2}},
		},
		"an unmap that fails": {
			[]any{grown(1, 200, 8, stackA), munmap(2, 201, 5), ev(event.MunmapFail, 3, 201, 5, 0)},
			held{stackA: {Bytes: 8, Blocks: 1}},
		},
		"an unmap that fails before it is seen": {
			[]any{grown(1, 200, 8, stackA), ev(event.MunmapFail, 3, 201, 5, 0)}, held{stackA: {Bytes: 8, Blocks: 1}},
		},
		"what moves keeps its stack, what it gains is mremap's": {
			[]any{grown(1, 200, 4, stackA), enter(2, 200, 4), mremapBy(3, 200, 300, 10, stackB)},
			held{stackA: {Bytes: 4, Blocks: 1}, stackB: {Bytes: 6, Blocks: 1}},
		},
		"gains again": {
			[]any{
				grown(1, 200, 4, stackA), enter(2, 200, 4), mremapBy(3, 200, 200, 5, stackB),
				enter(4, 200, 5), mremapBy(5, 200, 300, 7, stackB),
			},
			held{stackA: {Bytes: 4, Blocks: 1}, stackB: {Bytes: 3, Blocks: 2}},
		},
		"shrinks where it is": {
			[]any{grown(1, 200, 4, stackA), enter(2, 200, 4), mremapBy(3, 200, 200, 1, stackB)},
			held{stackA: {Bytes: 1, Blocks: 1}},
		},
		"what was there before gains": {
			[]any{enter(2, 100, 10), mremapBy(3, 100, 300, 12, stackB), munmap(4, 300, 1)},
			held{stackB: {Bytes: 2, Blocks: 1}},
		},
		"a file that grows does not count": {
			[]any{enter(2, 400, 10), mremapBy(3, 400, 500, 12, stackB)}, held{},
		},
		"a move that fails": {
			[]any{grown(1, 200, 4, stackA), enter(2, 200, 4), ev(event.MremapFail, 3, 200, 4, 0)},
			held{stackA: {Bytes: 4, Blocks: 1}},
		},
		"a late entry": {
			[]any{grown(1, 200, 4, stackA), mremapBy(3, 200, 300, 10, stackB), late(enter(2, 200, 4))},
			held{stackA: {Bytes: 4, Blocks: 1}, stackB: {Bytes: 6, Blocks: 1}},
		},
		"all ends with the program": {
			[]any{grown(1, 200, 4, stackA), ev(event.Exec, 2, 0, 0, 0), mprotect(3, 110, 5, 3, stackA), brk(4, 90, stackA), brk(5, 91, stackB)},
			held{stackB: {Bytes: 1, Blocks: 1}},
		},
		"lost unmaps leave in doubt what was mapped": {
			[]any{grown(1, 200, 4, stackA), gap(2), mprotect(3, 110, 5, 3, stackB)},
			held{stackB: {Bytes: 5, Blocks: 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewGrowthLedger()
			l.Begin(pid, Mapped{base + 20*pageSize, initial})
			play(t, l, tc.steps)
			if diff := cmp.Diff(tc.want, pagesHeld(l)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var sum uint64
			for _, s := range tc.want {
				sum += s.Bytes * pageSize
			}
			if got := l.Live().Bytes; got != sum {
				t.Errorf("%d bytes in all, want %d", got, sum)
			}
			l.Each(pid, func(start, end uint64, _ event.StackID) { sum -= end - start })
			if sum != 0 {
				t.Errorf("the regions are %d bytes less", int64(sum))
			}
		})
	}
}
