package heap

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// checkMeasures checks what is always true of what a snapshot of one process says of its past.
func checkMeasures(t *testing.T, snap *Snapshot, pid uint32) {
	t.Helper()
	if pid == 0 {
		return
	}
	var peak, threads live.Sum
	for i := range snap.Stacks {
		st := &snap.Stacks[i]
		peak = peak.Plus(st.Peak)
		var sizes, lifetimes uint64
		for class := range live.Classes {
			sizes, lifetimes = sizes+st.Detail.Sizes[class], lifetimes+st.Detail.Lifetimes[class]
		}
		if sizes != st.AllocatedBlocks || lifetimes > st.FreedBlocks || st.Temporary > lifetimes {
			t.Fatalf("%d sizes, %d lifetimes, %d temporary: %+v", sizes, lifetimes, st.Temporary, st)
		}
		var sum live.Sum
		for _, th := range st.Detail.Threads {
			sum = sum.Plus(th.Sum)
		}
		if sum != st.Sum {
			t.Fatalf("threads hold %+v: %+v", sum, st)
		}
	}
	for _, th := range snap.Threads {
		threads = threads.Plus(th.Sum)
	}
	if threads != snap.Outstanding {
		t.Fatalf("threads hold %+v of %+v", threads, snap.Outstanding)
	}
	if peak != snap.Peak.Sum && !snap.Peak.Approximate {
		t.Fatalf("the stacks held %+v at the peak, all together %+v", peak, snap.Peak.Sum)
	}
}

// history is all that ever happened to processes, of which everything is worked out anew.
type history struct {
	heap   *Heap
	r      *rand.Rand
	blocks []*past
	// calls are the calls of threads in their order, in each process.
	calls map[uint32][]call
	execs map[uint32]uint64
	now   uint64
	next  uint64
	late  []func()
	// forks and gives: processes fork, stacks are given up.
	forks, gives bool
}

type past struct {
	pid, tid   uint32
	addr, size uint64
	stack      event.StackID
	born, died uint64
	freed      bool // else by an exec
	late       bool
}

// call is one of an allocation function: what it returned, and what it freed.
type call struct {
	tid            uint32
	returned, ends *past
}

func (h *history) send(ev event.Event) {
	h.now += 1 + h.r.Uint64N(400_000)
	ev.Time = h.now
	h.heap.Apply(&ev)
}

// alloc allocates a block, of a few sizes by each stack.
func (h *history) alloc(kind event.Kind, pid, tid uint32) *past {
	b := &past{pid: pid, tid: tid, stack: event.StackID(uint64(pid)*100 + h.r.Uint64N(6)), size: 1 << h.r.Uint64N(30)}
	if b.stack%2 == 0 {
		b.size = 100 + h.r.Uint64N(30)
	}
	h.next += 64
	b.addr = h.next
	h.send(event.Event{Kind: kind, PID: pid, TID: tid, Addr: b.addr, Size: b.size, Stack: b.stack})
	b.born = h.now
	h.blocks = append(h.blocks, b)
	return b
}

// live returns the blocks that a process has, by those who allocated them.
func (h *history) live(pid uint32) (list []*past) {
	for _, b := range h.blocks {
		if b.pid == pid && b.died == 0 {
			list = append(list, b)
		}
	}
	return list
}

func (h *history) step(pid uint32, spills bool) {
	tid := pid*10 + h.r.Uint32N(3)
	held := h.live(pid)
	switch what := h.r.IntN(100); {
	case what < 45 || len(held) == 0:
		h.calls[pid] = append(h.calls[pid], call{tid, h.alloc(event.Alloc, pid, tid), nil})
	case what < 80:
		b := held[h.r.IntN(len(held))]
		if h.r.IntN(2) == 0 {
			b = held[len(held)-1]
		}
		if b.tid/10 == pid && h.r.IntN(2) == 0 {
			tid = b.tid
		}
		h.free(b, tid, spills && h.r.IntN(3) == 0)
	case what < 92:
		b := held[h.r.IntN(len(held))]
		h.send(event.Event{Kind: event.ReallocEnter, PID: pid, TID: tid, Addr: b.addr})
		if h.r.IntN(3) == 0 {
			b.died = h.now // for as long as the call takes
			h.send(event.Event{Kind: event.ReallocFail, PID: pid, TID: tid, Addr: b.addr})
			b.died = 0
			h.calls[pid] = append(h.calls[pid], call{tid, nil, nil})
			return
		}
		b.died, b.freed = h.now, true
		h.calls[pid] = append(h.calls[pid], call{tid, h.alloc(event.Realloc, pid, tid), b})
	case what < 94 && h.gives:
		h.heap.GiveUp()
		for _, b := range h.blocks {
			key := live.Key{ID: b.stack, PID: b.pid}
			if _, known := h.heap.stacks.byKey[key]; !known {
				b.stack = live.GivenUp
			}
		}
	case what == 99 && !spills:
		h.send(event.Event{Kind: event.Exec, PID: pid, TID: tid})
		for _, b := range held {
			b.died = h.now
		}
		h.execs[pid] = h.now
	}
}

func (h *history) free(b *past, tid uint32, late bool) {
	ev := event.Event{Kind: event.Free, PID: b.pid, TID: tid, Addr: b.addr}
	if !late {
		h.send(ev)
	} else {
		h.now++
		ev.Time = h.now
		b.late = true
		h.late = append(h.late, func() { h.heap.ApplyLateFree(&ev) })
	}
	b.died, b.freed = h.now, true
	h.calls[b.pid] = append(h.calls[b.pid], call{tid, nil, b})
}

// at returns what the stacks of a process held at a time.
func (h *history) at(pid uint32, time uint64) (all live.Sum, byStack map[event.StackID]live.Sum) {
	byStack = make(map[event.StackID]live.Sum)
	for _, b := range h.blocks {
		if b.pid == pid && b.born <= time && (b.died == 0 || b.died > time) && b.born > h.execs[pid] {
			sum := byStack[b.stack]
			sum.Add(b.size)
			all.Add(b.size)
			byStack[b.stack] = sum
		}
	}
	return all, byStack
}

// peak returns when a process held most.
func (h *history) peak(pid uint32) (all live.Sum, time uint64) {
	for _, b := range h.blocks {
		if b.pid != pid {
			continue
		}
		if sum, _ := h.at(pid, b.born); sum.Bytes > all.Bytes {
			all, time = sum, b.born
		}
	}
	return all, time
}

// temporary counts the blocks that were freed by the next call, or soon, by stack.
func (h *history) temporary(pid uint32) map[event.StackID]uint64 {
	all := make(map[event.StackID]uint64)
	last := make(map[uint32]*past)
	for _, c := range h.calls[pid] {
		if b := c.ends; b != nil && b.freed && (last[c.tid] == b || b.died-b.born <= 1<<20) {
			all[b.stack]++
		}
		last[c.tid] = c.returned
	}
	return all
}

// check compares what the heap says of a process with what is worked out.
func (h *history) check(pid uint32, spills bool) {
	snap := h.heap.Snapshot(live.Options{PID: pid, All: true})
	type measures struct {
		Peak             live.Sum
		Temporary        uint64
		Sizes, Lifetimes live.Histogram
		Threads          map[uint32]live.Sum
	}
	want, got := make(map[event.StackID]*measures), make(map[event.StackID]*measures)
	peak, time := h.peak(pid)
	if spills {
		if snap.Peak.Bytes > peak.Bytes {
			panic("more than the peak")
		}
		peak, time = snap.Peak.Sum, snap.Peak.Time
	}
	_, byStack := h.at(pid, time)
	temporary := h.temporary(pid)
	for _, b := range h.blocks {
		if b.pid != pid {
			continue
		}
		m := want[b.stack]
		if m == nil {
			m = &measures{Peak: byStack[b.stack], Temporary: temporary[b.stack], Threads: make(map[uint32]live.Sum)}
			want[b.stack] = m
		}
		m.Sizes[classOf(b.size, live.FirstSize)]++
		if b.freed {
			m.Lifetimes[classOf(b.died-b.born, live.FirstLifetime)]++
		}
		if b.died == 0 {
			sum := m.Threads[b.tid]
			sum.Add(b.size)
			m.Threads[b.tid] = sum
		}
	}
	for i := range snap.Stacks {
		st := &snap.Stacks[i]
		if st.ID != live.GivenUp && uint32(st.ID/100) != pid {
			continue // its parent's
		}
		m := &measures{st.Peak, st.Temporary, st.Detail.Sizes, st.Detail.Lifetimes, make(map[uint32]live.Sum)}
		for _, th := range st.Detail.Threads {
			m.Threads[th.TID] = th.Sum
		}
		got[st.ID] = m
		if spills {
			m.Temporary, want[st.ID].Temporary = 0, 0
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || snap.Peak.Sum != peak || snap.Peak.Time != time || snap.Peak.Approximate != spills {
		panic(diff + cmp.Diff(Peak{peak, time, spills}, snap.Peak))
	}
}

func newHistory(seed uint64) *history {
	return &history{heap: New(Config{}), r: rand.New(rand.NewPCG(seed, 7)), calls: make(map[uint32][]call), execs: make(map[uint32]uint64), now: base, next: 4096}
}

// The peak, temporary blocks, sizes, lifetimes and threads of processes that allocate, free,
// reallocate, fork and execute at random are those that are found by looking at all that ever
// happened.
func TestMeasures(t *testing.T) {
	for seed := range uint64(60) {
		h := newHistory(seed)
		pids := []uint32{1}
		h.forks, h.gives = seed%3 != 0, seed%3 != 1
		check := h.check
		if h.forks && h.gives { // what is given up mixes blocks of child and parent
			check = func(pid uint32, _ bool) {
				snap := h.heap.Snapshot(live.Options{PID: pid, All: true})
				checkMeasures(t, &snap, pid)
			}
		}
		for range 250 {
			pid := pids[h.r.IntN(len(pids))]
			if h.r.IntN(60) == 0 && len(pids) < 4 && h.forks {
				child := uint32(len(pids) + 1)
				h.now++
				h.heap.Fork(pid, child, h.now)
				pids = append(pids, child)
			}
			h.step(pid, false)
			if h.r.IntN(20) == 0 {
				check(pid, false)
			}
		}
		for _, pid := range pids {
			check(pid, false)
		}
	}
}

// Where frees come late, what is said of a peak is what was held at that time, and lifetimes are
// right.
func TestMeasuresOfLateFrees(t *testing.T) {
	for seed := range uint64(60) {
		h := newHistory(seed)
		h.heap.ApplyLateFree(&event.Event{Kind: event.Free, PID: 1, TID: 10, Time: base, Addr: 16})
		for range 250 {
			h.step(1, true)
			if h.r.IntN(20) == 0 {
				for _, apply := range h.late {
					apply()
				}
				h.late = nil
				h.check(1, true)
			}
		}
	}
}
