package heap

import (
	"cmp"
	"slices"

	"memtrace/tracer/book/live"
)

const (
	// mostDetailed is how many stacks of a list get their details, in its order.
	mostDetailed = 1 << 14
	// mostThreads is how many threads of a stack, and mostOfProcess how many of a process, are
	// told apart. The others are added up.
	mostThreads   = 8
	mostOfProcess = 256
	// few is up to how many threads are searched one after the other.
	few = 8
)

// threadTally divides what the stacks of a process hold by thread.
type threadTally struct {
	tids    []uint32
	byStack []tally // by index; empty if there is only one thread
}

// tally is what threads have allocated.
type tally struct {
	slots []slot
	sums  []live.Sum
	// index finds a slot if there are many.
	index map[slot]int
	last  int
}

func (t *tally) add(s slot, sum live.Sum) {
	if t.last >= len(t.slots) || t.slots[t.last] != s {
		t.last = t.find(s)
	}
	t.sums[t.last] = t.sums[t.last].Plus(sum)
}

// find returns where the sum of a thread is, a new one if need be.
func (t *tally) find(s slot) int {
	i := len(t.slots)
	if t.index == nil {
		if at := slices.Index(t.slots, s); at >= 0 {
			return at
		}
	} else if at, ok := t.index[s]; ok {
		return at
	}
	t.slots, t.sums = append(t.slots, s), append(t.sums, live.Sum{})
	switch {
	case t.index != nil:
		t.index[s] = i
	case i == few:
		t.index = make(map[slot]int)
		for at, s := range t.slots {
			t.index[s] = at
		}
	}
	return i
}

// list returns the sums of the threads that hold most, and of the rest.
func (t *tally) list(tids []uint32, most int) []live.ThreadSum {
	list := make([]live.ThreadSum, len(t.slots))
	for i, s := range t.slots {
		list[i] = live.ThreadSum{TID: tids[s], Sum: t.sums[i]}
	}
	largest := func(a, b live.ThreadSum) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Blocks, a.Blocks), cmp.Compare(a.TID, b.TID))
	}
	slices.SortFunc(list, largest)
	// What is not told apart is that already.
	var rest live.Sum
	if i := slices.IndexFunc(list, func(t live.ThreadSum) bool { return t.TID == 0 }); i >= 0 {
		rest = list[i].Sum
		list = slices.Delete(list, i, i+1)
	}
	if len(list) > most {
		for _, t := range list[most:] {
			rest = rest.Plus(t.Sum)
		}
		list = slices.Clone(list[:most])
	}
	if rest.Blocks > 0 {
		list = append(list, live.ThreadSum{Sum: rest})
	}
	return list
}

// tallyThreads returns a tally of a process that is not nil, without anything in it.
func (h *Heap) tallyThreads(p *process) *threadTally {
	if p == nil {
		return nil
	}
	t := &threadTally{tids: p.threads}
	if len(t.tids) == 0 {
		t.tids = []uint32{0}
	}
	if len(t.tids) > 2 || p.copied > 0 {
		t.byStack = make([]tally, len(h.stacks.all))
	}
	return t
}

func (t *threadTally) count(b *block) {
	if len(t.byStack) > 0 {
		t.byStack[b.origin.stack()].add(b.extent.slot(), live.Sum{Bytes: b.size(), Blocks: 1})
	}
}

// only returns the list of a process with one thread.
func (t *threadTally) only(sum live.Sum) []live.ThreadSum {
	if sum.Blocks == 0 {
		return nil
	}
	return []live.ThreadSum{{TID: t.tids[len(t.tids)-1], Sum: sum}}
}

// all returns the threads of the whole process, which holds sum.
func (t *threadTally) all(sum live.Sum) []live.ThreadSum {
	if len(t.byStack) == 0 {
		return t.only(sum)
	}
	var total tally
	for i := range t.byStack {
		for at, s := range t.byStack[i].slots {
			total.add(s, t.byStack[i].sums[at])
		}
	}
	return total.list(t.tids, mostOfProcess)
}

// detail adds details to the first stacks of a list. threads is nil if they hold nothing.
func (h *Heap) detail(stacks []live.Stack, threads *threadTally) {
	for i := range stacks[:min(len(stacks), mostDetailed)] {
		st := &stacks[i]
		index := h.stacks.byKey[live.Key{ID: st.ID, PID: st.PID}]
		s := h.stacks.at(index)
		m := s.measures()
		st.Detail = &live.Detail{Sizes: m.sizes, Lifetimes: m.lifetimes}
		switch {
		case threads == nil:
		case len(threads.byStack) == 0:
			st.Detail.Threads = threads.only(st.Sum)
		default:
			st.Detail.Threads = threads.byStack[index].list(threads.tids, mostThreads)
		}
	}
}
