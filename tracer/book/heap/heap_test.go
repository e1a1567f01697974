package heap

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

const (
	pid, tid, other = 100, 101, 102
	addrA, addrB    = 0x5555_0000_0010, 0x7fff_f000_0000_0010 // LA57
	stackA, stackB  = event.StackID(0xa), event.StackID(0xb)
)

// ev returns an event of thread tid at time t. Fields not given are 0.
func ev(kind event.Kind, t, addr, size uint64, stack event.StackID) event.Event {
	return event.Event{Kind: kind, PID: pid, TID: tid, Time: t, Addr: addr, Size: size, Stack: stack}
}

func by(thread uint32, e event.Event) event.Event { e.TID = thread; return e }

func alloc(t, addr, size uint64, stack event.StackID) event.Event {
	return ev(event.Alloc, t, addr, size, stack)
}
func free(t, addr uint64) event.Event  { return ev(event.Free, t, addr, 0, 0) }
func enter(t, addr uint64) event.Event { return ev(event.ReallocEnter, t, addr, 0, stackB) }
func fail(t, addr uint64) event.Event  { return ev(event.ReallocFail, t, addr, 0, 0) }
func realloc(t, old, addr, size uint64) event.Event {
	e := ev(event.Realloc, t, addr, size, stackB)
	e.Arg = old
	return e
}

// These are the steps of tests, besides events.
type (
	lateFree struct {
		addr, t uint64
		realloc bool
	}
	late     event.Event
	caughtUp uint64
	gap      uint64
	drained  struct{}
)

func play(t *testing.T, h *Heap, steps []any) {
	t.Helper()
	for _, s := range steps {
		switch s := s.(type) {
		case event.Event:
			h.Apply(&s)
		case lateFree:
			e := free(s.t, s.addr)
			if s.realloc {
				e.Kind = event.ReallocEnter
			}
			h.ApplyLateFree(&e)
		case caughtUp:
			h.CaughtUp(uint64(s))
		case drained:
			h.Drained()
		case gap:
			h.Gap(pid, uint64(s))
		case late:
			h.ApplyLateFree((*event.Event)(&s))
		default:
			t.Fatalf("unknown step %T", s)
		}
	}
}

// liveBlock is one block of a snapshot.
type liveBlock struct {
	stack      event.StackID
	addr, size uint64
	time       uint64
}

func TestHeap(t *testing.T) {
	const (
		exec = event.Exec
		exit = event.Exit
	)
	tests := map[string]struct {
		steps    []any
		live     []liveBlock
		freed    map[event.StackID]uint64
		counters Counters
	}{
		"a free at another thread's entry does not end the new owner's block": {
			// Thread 1 frees, and thread 2 gets the address before thread 1 returns.
			steps:    []any{alloc(1, addrA, 8, stackA), free(2, addrA), by(other, alloc(3, addrA, 8, stackB))},
			live:     []liveBlock{{stackB, addrA, 8, 3}},
			freed:    map[event.StackID]uint64{stackA: 1},
			counters: Counters{Alloc: 2, Free: 1},
		},
		"an allocation evicts what is live at its address": {
			steps:    []any{alloc(1, addrA, 8, stackA), alloc(2, addrA, 16, stackB)},
			live:     []liveBlock{{stackB, addrA, 16, 2}},
			freed:    map[event.StackID]uint64{stackA: 1},
			counters: Counters{Alloc: 2, Evicted: 1},
		},
		"a free of a block older than the trace": {
			steps:    []any{free(1, addrA)},
			counters: Counters{Free: 1, UnknownFree: 1},
		},
		"no block is at NULL": {
			steps:    []any{alloc(1, 0, 8, stackA), free(2, 0), enter(3, 0), fail(4, 0)},
			counters: Counters{Alloc: 1, Free: 1},
		},
		"blocks above 4 GiB and of no size": {
			steps:    []any{alloc(1, addrA, 5<<32, stackA), alloc(2, addrB, 0, stackA)},
			live:     []liveBlock{{stackA, addrA, 5 << 32, 1}, {stackA, addrB, 0, 2}},
			counters: Counters{Alloc: 2},
		},
		"a realloc moves a block to its own stack": {
			steps:    []any{alloc(1, addrA, 8, stackA), enter(2, addrA), realloc(3, addrA, addrB, 64)},
			live:     []liveBlock{{stackB, addrB, 64, 3}},
			freed:    map[event.StackID]uint64{stackA: 1},
			counters: Counters{Alloc: 1, Realloc: 1},
		},
		"a realloc in place": {
			steps:    []any{alloc(1, addrA, 8, stackA), enter(2, addrA), realloc(3, addrA, addrA, 64)},
			live:     []liveBlock{{stackB, addrA, 64, 3}},
			freed:    map[event.StackID]uint64{stackA: 1},
			counters: Counters{Alloc: 1, Realloc: 1},
		},
		"another thread is handed the block that a realloc gave up": {
			steps: []any{
				alloc(1, addrA, 8, stackA), enter(2, addrA),
				by(other, alloc(3, addrA, 24, stackA)), realloc(4, addrA, addrB, 64),
			},
			live:     []liveBlock{{stackA, addrA, 24, 3}, {stackB, addrB, 64, 4}},
			freed:    map[event.StackID]uint64{stackA: 1},
			counters: Counters{Alloc: 2, Realloc: 1},
		},
		"a failed realloc puts the block back as it was": {
			steps:    []any{alloc(1, addrA, 8, stackA), enter(2, addrA), fail(3, addrA)},
			live:     []liveBlock{{stackA, addrA, 8, 1}},
			counters: Counters{Alloc: 1},
		},
		"a failed realloc of an unknown block": {
			steps:    []any{enter(2, addrA), fail(3, addrA)},
			counters: Counters{UnknownFree: 1},
		},
		"a failed realloc whose address is taken": {
			steps: []any{
				alloc(1, addrA, 8, stackA), enter(2, addrA),
				by(other, alloc(3, addrA, 24, stackB)), fail(4, addrA),
			},
			live:     []liveBlock{{stackB, addrA, 24, 3}},
			freed:    map[event.StackID]uint64{stackA: 1},
			counters: Counters{Alloc: 2, Evicted: 1},
		},
		"a realloc whose return was lost has freed its block": {
			steps: []any{
				alloc(1, addrA, 8, stackA), enter(2, addrA),
				alloc(3, addrB, 24, stackB), fail(4, addrA),
			},
			live:     []liveBlock{{stackB, addrB, 24, 3}},
			freed:    map[event.StackID]uint64{stackA: 1},
			counters: Counters{Alloc: 2},
		},
		"a realloc frees its block, realloc(p, 0)": {
			steps:    []any{alloc(1, addrA, 8, stackA), enter(2, addrA), realloc(3, addrA, 0, 0)},
			freed:    map[event.StackID]uint64{stackA: 1},
			counters: Counters{Alloc: 1, Realloc: 1},
		},
		"exec ends what is live and what is inside realloc": {
			steps: []any{
				alloc(1, addrA, 8, stackA), alloc(2, addrB, 8, stackA), enter(3, addrB),
				ev(exec, 4, 0, 0, 0), by(pid, alloc(5, addrB, 24, stackB)), fail(6, addrB),
			},
			live:     []liveBlock{{stackB, addrB, 24, 5}},
			counters: Counters{Alloc: 3},
		},
		"exit keeps what was never given back": {
			steps: []any{
				alloc(1, addrA, 8, stackA), alloc(2, addrB, 8, stackB), enter(3, addrB),
				ev(exit, 4, 0, 0, 0),
			},
			live:     []liveBlock{{stackA, addrA, 8, 1}},
			freed:    map[event.StackID]uint64{stackB: 1},
			counters: Counters{Alloc: 2},
		},
		"a late free behind its allocation": {
			steps:    []any{alloc(1, addrA, 8, stackA), lateFree{addrA, 2, false}},
			freed:    map[event.StackID]uint64{stackA: 1},
			counters: Counters{Alloc: 1, Free: 1},
		},
		"a late free of an earlier block, 1 ns apart": {
			steps:    []any{alloc(1, addrA, 8, stackA), alloc(3, addrA, 24, stackB), lateFree{addrA, 2, false}},
			live:     []liveBlock{{stackB, addrA, 24, 3}},
			freed:    map[event.StackID]uint64{stackA: 1},
			counters: Counters{Alloc: 2, Free: 1},
		},
		"a late free that stands for two": {
			steps: []any{
				alloc(1, addrA, 8, stackA), alloc(3, addrA, 24, stackB), alloc(5, addrA, 24, stackB),
				lateFree{addrA, 4, false},
			},
			live:     []liveBlock{{stackB, addrA, 24, 5}},
			freed:    map[event.StackID]uint64{stackA: 1, stackB: 1},
			counters: Counters{Alloc: 3, Free: 1},
		},
		"a late free from before a block that was handed out again": {
			steps:    []any{alloc(2, addrA, 8, stackA), alloc(3, addrA, 24, stackB), lateFree{addrA, 1, false}},
			live:     []liveBlock{{stackB, addrA, 24, 3}},
			freed:    map[event.StackID]uint64{stackA: 1},
			counters: Counters{Alloc: 2, Free: 1, Evicted: 1},
		},
		"a late free of the next drain": {
			steps:    []any{alloc(1, addrA, 8, stackA), alloc(3, addrA, 24, stackB), drained{}, lateFree{addrA, 2, false}},
			live:     []liveBlock{{stackB, addrA, 24, 3}},
			freed:    map[event.StackID]uint64{stackA: 1},
			counters: Counters{Alloc: 2, Free: 1, Evicted: 1},
		},
		"a late free before its allocation": {
			steps:    []any{lateFree{addrA, 2, false}, alloc(1, addrA, 8, stackA), alloc(3, addrA, 24, stackB)},
			live:     []liveBlock{{stackB, addrA, 24, 3}},
			freed:    map[event.StackID]uint64{stackA: 1},
			counters: Counters{Alloc: 2, Free: 1},
		},
		"of several late frees the latest wins": {
			steps: []any{
				lateFree{addrA, 8, false},
				lateFree{addrA, 4, false},
				alloc(3, addrA, 8, stackA), free(5, addrA), alloc(7, addrA, 24, stackB),
			},
			freed:    map[event.StackID]uint64{stackA: 1, stackB: 1},
			counters: Counters{Alloc: 2, Free: 3},
		},
		"a late free of a block older than the trace": {
			steps:    []any{lateFree{addrA, 2, false}, caughtUp(2), caughtUp(3), alloc(1, addrA, 8, stackA)},
			live:     []liveBlock{{stackA, addrA, 8, 1}},
			counters: Counters{Alloc: 1, Free: 1, UnknownFree: 1},
		},
		"a late realloc that fails": {
			steps:    []any{alloc(1, addrA, 8, stackA), lateFree{addrA, 2, true}, fail(3, addrA)},
			live:     []liveBlock{{stackA, addrA, 8, 1}},
			counters: Counters{Alloc: 1},
		},
		"a late realloc that had failed": {
			steps:    []any{alloc(1, addrA, 8, stackA), fail(3, addrA), lateFree{addrA, 2, true}},
			live:     []liveBlock{{stackA, addrA, 8, 1}},
			counters: Counters{Alloc: 1},
		},
		"a late realloc before the allocation and its thread's others": {
			steps: []any{
				lateFree{addrA, 3, true},
				alloc(1, addrA, 8, stackA),
				alloc(2, addrB, 24, stackB), fail(4, addrA),
			},
			live:     []liveBlock{{stackA, addrA, 8, 1}, {stackB, addrB, 24, 2}},
			counters: Counters{Alloc: 2},
		},
		"a late realloc whose new block is in the ring": {
			steps:    []any{lateFree{addrA, 2, true}, alloc(1, addrA, 8, stackA), realloc(3, addrA, addrB, 64)},
			live:     []liveBlock{{stackB, addrB, 64, 3}},
			freed:    map[event.StackID]uint64{stackA: 1},
			counters: Counters{Alloc: 1, Realloc: 1},
		},
		"a late free from before an exec": {
			steps:    []any{ev(exec, 4, 0, 0, 0), lateFree{addrA, 3, false}, caughtUp(9), alloc(5, addrA, 8, stackA)},
			live:     []liveBlock{{stackA, addrA, 8, 5}},
			counters: Counters{Alloc: 1, Free: 1},
		},
		"a gap drops what it may have freed": {
			steps: []any{
				alloc(1, addrA, 8, stackA), alloc(3, addrB, 24, stackB), gap(2),
				free(4, addrA),
			},
			live:     []liveBlock{{stackB, addrB, 24, 3}},
			counters: Counters{Alloc: 2, Free: 1, UnknownFree: 1, Dropped: live.Sum{Bytes: 8, Blocks: 1}},
		},
		"a gap drops what is still in the ring or inside realloc": {
			steps: []any{
				alloc(1, addrB, 24, stackB), enter(2, addrB), gap(3),
				by(other, alloc(3, addrA, 8, stackA)), fail(4, addrB),
			},
			counters: Counters{Alloc: 2, Dropped: live.Sum{Bytes: 32, Blocks: 2}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := New(Config{})
			play(t, h, tt.steps)
			snap := h.Snapshot(live.Options{PID: pid, Blocks: true, All: true})
			got, freed := map[liveBlock]bool{}, map[event.StackID]uint64{}
			for _, st := range snap.Stacks {
				for _, b := range st.BlockList {
					got[liveBlock{st.ID, b.Address, b.Bytes, snap.Now - uint64(b.Age)}] = true
				}
				if st.FreedBlocks > 0 {
					freed[st.ID] = st.FreedBlocks
				}
			}
			want := map[liveBlock]bool{}
			for _, b := range tt.live {
				want[b] = true
			}
			if tt.freed == nil {
				tt.freed = map[event.StackID]uint64{}
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(liveBlock{})); diff != "" {
				t.Errorf("live blocks (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.freed, freed); diff != "" {
				t.Errorf("freed blocks (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.counters, h.Counters(pid)); diff != "" {
				t.Errorf("counters (-want +got):\n%s", diff)
			}
		})
	}
}
