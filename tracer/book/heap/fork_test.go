package heap

import (
	"math/rand/v2"
	"testing"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

const (
	parentPID = 7
	childPID  = 8
	// base is added to all times, ns.
	base = uint64(10e9)
)

// forked is a heap whose process 7 has forked 8. It has the blocks 0x10 to 0x50 by stacks 1 to 5,
// of as many bytes.
func forked() *Heap {
	h := New(Config{})
	for i := range uint64(5) {
		h.Apply(&event.Event{Kind: event.Alloc, PID: parentPID, Time: base + 100 + i, Addr: 0x10 * (i + 1), Size: i + 1, Stack: event.StackID(i + 1)})
	}
	h.Fork(parentPID, childPID, base+200)
	return h
}

func (h *Heap) test(kind event.Kind, pid uint32, time, addr uint64) {
	h.Apply(&event.Event{Kind: kind, PID: pid, Time: base + time, Addr: addr, Size: 100, Stack: 9})
}

// outstanding returns the bytes of each stack of a process.
func outstanding(h *Heap, pid uint32) map[event.StackID]uint64 {
	all := make(map[event.StackID]uint64)
	s := h.Snapshot(live.Options{PID: pid})
	for _, stack := range s.Stacks {
		all[stack.ID] = stack.Bytes
	}
	return all
}

func expect(t *testing.T, h *Heap, pid uint32, want map[event.StackID]uint64) {
	t.Helper()
	got := outstanding(h, pid)
	for id := range event.StackID(10) {
		if got[id] != want[id] {
			t.Errorf("process %d, stack %d: %d bytes, want %d", pid, id, got[id], want[id])
		}
	}
}

// What parent and child free after the fork ends in one of them alone.
func TestForkInherits(t *testing.T) {
	h := forked()
	h.test(event.Free, parentPID, 201, 0x10)
	h.test(event.Free, childPID, 202, 0x10) // gone in the parent, but not here
	h.test(event.Free, childPID, 203, 0x20)
	h.test(event.Free, parentPID, 204, 0x30)
	h.test(event.Alloc, parentPID, 205, 0x30)
	h.test(event.Alloc, childPID, 206, 0x60)
	h.test(event.Free, childPID, 207, 0x70) // of nobody
	expect(t, h, parentPID, map[event.StackID]uint64{2: 2, 4: 4, 5: 5, 9: 100})
	expect(t, h, childPID, map[event.StackID]uint64{3: 3, 4: 4, 5: 5, 9: 100})
	s := h.Snapshot(live.Options{PID: childPID})
	if want := (Inherited{live.Sum{Bytes: 15, Blocks: 5}, live.Sum{Bytes: 3, Blocks: 2}, true}); s.Inherited != want {
		t.Errorf("inherited %+v, want %+v", s.Inherited, want)
	}
	if s.Counters.UnknownFree != 1 || s.Counters.Free != 3 {
		t.Errorf("counters %+v", s.Counters)
	}
	for _, stack := range s.Stacks {
		if stack.ID != 9 && stack.GrowthBytesPerSecond != 0 {
			t.Errorf("stack %d grows: %+v", stack.ID, stack)
		}
	}
}

// The end of either, or its next program, leaves the other alone.
func TestForkOutlives(t *testing.T) {
	for name, end := range map[string]func(*Heap, uint32){
		"exit": func(h *Heap, pid uint32) { h.test(event.Exit, pid, 300, 0); h.Remove(pid) },
		"exec": func(h *Heap, pid uint32) { h.test(event.Exec, pid, 300, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			h := forked()
			h.test(event.Free, childPID, 250, 0x50)
			end(h, parentPID)
			expect(t, h, childPID, map[event.StackID]uint64{1: 1, 2: 2, 3: 3, 4: 4})
			expect(t, h, parentPID, nil)
			if h.Live() != (live.Sum{Bytes: 10, Blocks: 4}) {
				t.Errorf("live %+v", h.Live())
			}
			h = forked()
			end(h, childPID)
			expect(t, h, parentPID, map[event.StackID]uint64{1: 1, 2: 2, 3: 3, 4: 4, 5: 5})
			if h.heirs != 0 || h.departed.n != 0 || h.Live() != (live.Sum{Bytes: 15, Blocks: 5}) {
				t.Errorf("%d heirs, %d departed, live %+v", h.heirs, h.departed.n, h.Live())
			}
		})
	}
}

// A child that ends without having been looked at holds what it allocated, and no copy.
func TestForkEndsAlone(t *testing.T) {
	h := forked()
	h.test(event.Alloc, childPID, 201, 0x60)
	h.test(event.Exit, childPID, 202, 0)
	expect(t, h, childPID, map[event.StackID]uint64{9: 100})
	h.Remove(childPID)
	expect(t, h, childPID, nil)
	if got := h.Counters(0); got.Alloc != 6 {
		t.Errorf("the sum over all is %+v", got)
	}
	// Its pid is another one's later.
	h.Fork(parentPID, childPID, base+400)
	expect(t, h, childPID, map[event.StackID]uint64{1: 1, 2: 2, 3: 3, 4: 4, 5: 5})
}

// A family that allocates, frees, forks, executes and ends at random has the blocks of a model
// that copies everything at each fork.
func TestForkModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		h := New(Config{})
		model := map[uint32]map[uint64]event.StackID{1: {}}
		next := uint32(2)
		for step := range uint64(300) {
			time := 1000 + step
			pids := sortedPIDs(model)
			pid := pids[r.IntN(len(pids))]
			addr := 0x10 * (1 + r.Uint64N(40))
			switch what := r.IntN(40); {
			case what == 0 && len(pids) < 8:
				h.Fork(pid, next, base+time)
				model[next] = make(map[uint64]event.StackID)
				for a, id := range model[pid] {
					model[next][a] = id
				}
				next++
			case what == 1 && len(pids) > 1:
				h.test(event.Exit, pid, time, 0)
				h.Remove(pid)
				delete(model, pid)
			case what == 2:
				h.test(event.Exec, pid, time, 0)
				clear(model[pid])
			case what == 3:
				h.Snapshot(live.Options{PID: pid})
			case model[pid][addr] != 0:
				h.test(event.Free, pid, time, addr)
				delete(model[pid], addr)
			default:
				id := event.StackID(1 + r.IntN(5))
				h.Apply(&event.Event{Kind: event.Alloc, PID: pid, Time: base + time, Addr: addr, Size: 1, Stack: id})
				model[pid][addr] = id
			}
		}
		for pid, blocks := range model {
			want := make(map[event.StackID]uint64)
			for _, id := range blocks {
				want[id]++
			}
			expect(t, h, pid, want)
			if c := h.Counters(pid); c.UnknownFree != 0 || c.Evicted != 0 {
				t.Errorf("seed %d, process %d: %+v", seed, pid, c)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func sortedPIDs(model map[uint32]map[uint64]event.StackID) (pids []uint32) {
	for pid := range uint32(1000) {
		if _, ok := model[pid]; ok {
			pids = append(pids, pid)
		}
	}
	return pids
}
