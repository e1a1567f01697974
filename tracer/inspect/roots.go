package inspect

import (
	"strings"
	"time"

	"memtrace/tracer/inspect/cohort"
	"memtrace/tracer/inspect/graph"
	"memtrace/tracer/report"
)

// maxRoots bounds the roots that are told apart. A process may make up any number of mappings.
const maxRoots = 1 << 15

// noHolder is the number of what nobody holds.
const noHolder = -1

// rootKey is what a root is known by from look to look.
type rootKey struct {
	class        graph.RootClass
	name, module string
	tid          int
}

func keyOf(r *graph.Root) rootKey {
	k := rootKey{class: r.Class, name: r.Name, module: r.Module, tid: r.TID}
	if r.Class == graph.Stack || r.Class == graph.Registers || r.Class == graph.TLS && strings.HasPrefix(r.Name, "TLS of ") {
		k.name = "" // threads change their names
	}
	return k
}

// roots gives roots numbers that stay from look to look. free are those that were given up.
type roots struct {
	numbers map[rootKey]int32
	list    []rootHistory
	free    []int32
}

// rootHistory is what a root has held.
type rootHistory struct {
	root  report.HeapRoot
	held  report.HeapHolder
	first uint64
	since time.Time
	until time.Time
	looks int
	// rose and fell count the looks at which it held more and fewer blocks than before.
	rose, fell int
	// slots is the array that most of it hangs on, and same at how many looks in a row it was that.
	slots graph.Slots
	same  int
	// low and high are the fewest and most blocks.
	low, high uint64
}

func newRoots() roots { return roots{numbers: make(map[rootKey]int32)} }

// number returns the number of a root, cohort.Mixed if there are too many.
func (r *roots) number(root *graph.Root) int32 {
	k := keyOf(root)
	n, ok := r.numbers[k]
	if !ok {
		if len(r.numbers) >= maxRoots {
			return cohort.Mixed
		}
		if last := len(r.free) - 1; last >= 0 {
			n, r.free = r.free[last], r.free[:last]
			r.list[n] = rootHistory{}
		} else {
			n = int32(len(r.list))
			r.list = append(r.list, rootHistory{})
		}
		r.numbers[k] = n
	}
	r.list[n].root = rootOf(root)
	return n
}

// giveUp forgets roots that hold nothing, as those of threads that have ended, but not those whose
// numbers groups have.
func (r *roots) giveUp(used map[int32]bool) {
	for k, n := range r.numbers {
		if !used[n] && r.list[n].held.Held.Blocks == 0 {
			delete(r.numbers, k)
			r.free = append(r.free, n)
		}
	}
}

// giveUp forgets groups and roots that have no blocks if there are many.
func (l *Looker) giveUp() {
	if l.cohorts.Crowded() || len(l.roots.numbers) >= maxRoots/2 {
		l.roots.giveUp(l.cohorts.GiveUp())
	}
}

// rootOf is a root as reports have it.
func rootOf(r *graph.Root) report.HeapRoot {
	classes := map[graph.RootClass]string{
		graph.Global: report.HeapGlobal, graph.Interpreter: report.HeapInterpreter, graph.TLS: report.HeapTLS, graph.Mapping: report.HeapMapping,
		graph.Stack: report.HeapStack, graph.Registers: report.HeapRegisters, graph.Epoll: report.HeapEpoll,
	}
	return report.HeapRoot{Class: classes[r.Class], Name: r.Name, Module: r.Module, Address: r.Addr, TID: r.TID}
}

// add takes what roots hold at a look. It returns a function that gives the number of a holder of
// the graph.
func (r *roots) add(g *graph.Graph, held []graph.Held, at time.Time) func(int32) int32 {
	numbers := make([]int32, len(g.Roots))
	for i := range g.Roots {
		numbers[i] = r.number(&g.Roots[i])
	}
	now, arrays, several := make(map[int32]*report.HeapHolder), make(map[int32]graph.Slots), make(map[int32]bool)
	for i := range held {
		h := &held[i]
		n := r.number(&h.Root)
		if n < 0 {
			continue
		}
		all := now[n]
		if all == nil {
			all = &report.HeapHolder{HeapRoot: rootOf(&h.Root), Shape: shapeOf(h), Depth: h.Depth}
			now[n] = all
		} else {
			all.Address = 0 // there are several of this name
			several[n] = true
		}
		arrays[n] = h.Slots
		all.Held.Blocks += h.Blocks
		all.Held.Bytes += h.Bytes
	}
	for n := range r.list {
		var holder report.HeapHolder
		if h := now[int32(n)]; h != nil {
			holder = *h
		}
		if several[int32(n)] {
			delete(arrays, int32(n))
		}
		r.list[n].fill(arrays[int32(n)])
		r.list[n].add(holder, at)
	}
	return func(holder int32) int32 {
		if holder < 0 || int(holder) >= len(numbers) {
			return noHolder
		}
		return numbers[holder]
	}
}

// shapeOf names a shape, "" for one block, for one that looks like none, and for all objects of an
// interpreter.
func shapeOf(h *graph.Held) string {
	switch {
	case h.Blocks < 2 || h.Shape == graph.Mixed || h.Root.Class == graph.Interpreter:
		return ""
	case h.Blocks > 2 && uint64(h.Depth) == h.Blocks:
		return graph.List.String() // each leads to one other
	}
	return h.Shape.String()
}

// add takes what the root holds at a look.
func (h *rootHistory) add(holder report.HeapHolder, at time.Time) {
	n := holder.Held.Blocks
	if h.looks == 0 {
		h.first, h.since, h.low, h.high = n, at, n, n
	} else if was := h.held.Held.Blocks; n > was {
		h.rose++
	} else if n < was {
		h.fell++
	}
	h.low, h.high = min(h.low, n), max(h.high, n)
	h.looks++
	h.until, h.held = at, holder
}

// holder is what the root holds, and whether that grows.
func (h *rootHistory) holder() report.HeapHolder {
	r := h.held
	const leastRises = 2
	minutes := h.until.Sub(h.since).Minutes()
	if h.looks > leastRises && h.rose == h.looks-1 && minutes > 0 {
		r.Growing = true
		r.PerMinute = float64(r.Held.Blocks-h.first) / minutes
	}
	const much = 20 // a twentieth
	r.Varies = h.fell > 0 && h.rose > 0 && h.high-h.low > h.high/much
	return r
}
