package tracer

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"memtrace/tracer/event"
	"memtrace/tracer/live"
	"memtrace/tracer/ptmalloc"
	"memtrace/tracer/report"
	"memtrace/tracer/sample"
	"memtrace/tracer/target"
)

// mallocView is what is known of the malloc of a process, where it is glibc's.
// watchMalloc keeps it up; Snapshot reads it under the lock.
type mallocView struct {
	// using guards heap and what reads it, for long and without the lock.
	using    sync.Mutex
	heap     *ptmalloc.Heap
	checker  *ptmalloc.Checker
	blocks   []ptmalloc.Block
	verdicts []ptmalloc.Verdict
	old      []int // indices of the candidates that findInside is about
	// err is why heap is nil.
	err error
	// What follows is guarded by the Tracer's lock.
	brk    ptmalloc.BrkRange
	params ptmalloc.Params
	known  bool // params were read
	// changes of the threshold, with the time in ns of CLOCK_MONOTONIC.
	changes []thresholdChange
}

type thresholdChange struct{ time, from, to uint64 }

// maxChanges bounds what is remembered of a threshold that never rests.
const maxChanges = 64

// openMalloc looks at a process's malloc; nil where it is not glibc's.
func openMalloc(t *target.Target) *mallocView {
	if o := t.Allocator(); o == nil || o.Family != target.Glibc {
		return nil
	}
	v := new(mallocView)
	v.brk, v.err = ptmalloc.ReadBrkRange(t.PID)
	if v.err != nil {
		return v
	}
	if v.heap, v.err = ptmalloc.Open(t); v.err == nil {
		v.poll(new(sync.Mutex), 0)
	}
	return v
}

func (v *mallocView) close() error {
	if v == nil {
		return nil
	}
	v.using.Lock()
	defer v.using.Unlock()
	if v.heap == nil {
		return nil
	}
	h := v.heap
	v.heap = nil
	return h.Close()
}

// poll reads the parameters again, at time now (ns), without lock, the Tracer's. What
// cannot be read stays as it was: the process may be about to end.
func (v *mallocView) poll(lock sync.Locker, now uint64) {
	// Who cannot wait for kept comes again soon.
	if v == nil || !v.using.TryLock() {
		return
	}
	defer v.using.Unlock()
	if v.heap == nil {
		return
	}
	p, err := v.heap.Params()
	if err != nil {
		return
	}
	lock.Lock()
	defer lock.Unlock()
	if v.known && p.MmapThreshold != v.params.MmapThreshold && len(v.changes) < maxChanges {
		v.changes = append(v.changes, thresholdChange{now, v.params.MmapThreshold, p.MmapThreshold})
	}
	v.params, v.known = p, true
}

// findFree marks those candidates whose chunks are free. What cannot be known is
// not marked. It returns false if nothing can be, because the process has ended or
// its malloc is not known.
func (v *mallocView) findFree(list []sample.Candidate, free []bool) bool {
	if v == nil {
		return false
	}
	v.using.Lock()
	defer v.using.Unlock()
	if v.heap == nil {
		return false
	}
	if v.checker == nil {
		v.checker = ptmalloc.NewChecker(v.heap)
	}
	v.blocks = v.blocks[:0]
	for i := range list {
		v.blocks = append(v.blocks, ptmalloc.Block{Address: list[i].Address, Header: ptmalloc.Header(list[i].Header)})
	}
	v.verdicts = append(v.verdicts[:0], make([]ptmalloc.Verdict, len(list))...)
	if err := v.checker.Check(v.blocks, v.verdicts); err != nil {
		return false // the process has ended
	}
	for i, verdict := range v.verdicts {
		free[i] = verdict.State == ptmalloc.Free
	}
	return true
}

// findInside marks those candidates born before a time (ns) that lie inside larger
// chunks, of the list that findFree was called with last. It returns the processor
// time that this took.
func (v *mallocView) findInside(list []sample.Candidate, free []bool, before uint64) time.Duration {
	if v == nil {
		return 0
	}
	v.using.Lock()
	defer v.using.Unlock()
	if v.heap == nil || len(v.verdicts) != len(list) {
		return 0
	}
	start := ownTime()
	v.old = v.old[:0]
	for i := range list {
		if list[i].Born < before && !free[i] {
			n := len(v.old)
			v.blocks[n], v.verdicts[n] = v.blocks[i], v.verdicts[i]
			v.old = append(v.old, i)
		}
	}
	n := len(v.old)
	if err := v.checker.Verify(v.blocks[:n], v.verdicts[:n]); err != nil {
		return 0 // the process has ended
	}
	for n, i := range v.old {
		free[i] = v.verdicts[n].State == ptmalloc.Free
	}
	return ownTime() - start
}

// canCheck reports whether findFree can find anything.
func (v *mallocView) canCheck() bool { return v != nil && v.heap != nil }

// grown is told of the end of the brk heap, which makes up for what findRange can
// no longer find once the process is gone.
func (v *mallocView) grown(end uint64) {
	if v != nil {
		v.brk.End = max(v.brk.End, end)
	}
}

// findRange reads the brk heap's range again, as long as there is one.
func (v *mallocView) findRange(lock sync.Locker, pid int) {
	if r, err := ptmalloc.ReadBrkRange(pid); err == nil && r.End > r.Start {
		lock.Lock()
		defer lock.Unlock()
		v.brk = r
	}
}

// splitter sorts outstanding blocks by the way in which they were served.
type splitter struct {
	view *mallocView
	// smallest is the smallest chunk that is a mapping, 0 if there is none.
	smallest   uint64
	exceptions report.Exceptions
}

// way is for live.Options: the ptmalloc.Served of a block.
func (s *splitter) way(addr, size uint64, chunk event.Flags) int {
	var header ptmalloc.Header
	if chunk&event.ChunkMmapped != 0 {
		header |= ptmalloc.IsMmapped
	}
	if chunk&event.ChunkArena != 0 {
		header |= ptmalloc.NonMainArena
	}
	served := ptmalloc.Serve(addr, header, s.view.brk)
	over := ptmalloc.OverThreshold(size, s.view.params.MmapThreshold)
	switch {
	case served == ptmalloc.ServedMmap:
		if chunk, ok := ptmalloc.ChunkSize(size); ok && (s.smallest == 0 || chunk < s.smallest) {
			s.smallest = chunk
		}
		if s.view.known && !over {
			add(&s.exceptions.BelowThresholdMmapped, size)
		}
	case s.view.known && over:
		add(&s.exceptions.AboveThresholdInHeap, size)
	}
	return int(served)
}

func add(s *report.Sum, size uint64) {
	s.Bytes += size
	s.Blocks++
}

// served names the ways.
func served(ways live.Served) report.Served {
	way := func(w ptmalloc.Served) report.Sum { return sum(ways[w], live.Sum{}) }
	return report.Served{Brk: way(ptmalloc.ServedBrk), Arena: way(ptmalloc.ServedArena), Mmap: way(ptmalloc.ServedMmap)}
}

// split is the report's section. start is that of the trace.
func (s *splitter) split(ways live.Served, start uint64) *report.MallocSplit {
	v := s.view
	m := &report.MallocSplit{Served: served(ways), Exceptions: s.exceptions}
	if !v.known {
		m.MmapThreshold, m.ThresholdSource = s.smallest, "inferred"
		return m
	}
	p := v.params
	m.MmapThreshold, m.ThresholdSource = p.MmapThreshold, p.Source
	m.Dynamic, m.FrozenBy = p.Dynamic, p.FrozenBy
	m.MmapMax, m.MmappedBlocks, m.MmappedBytes = int(p.MmapMax), int(p.MmappedBlocks), p.MmappedBytes
	for _, c := range v.changes {
		m.Changes = append(m.Changes, report.ThresholdChange{Seconds: float64(c.time-min(start, c.time)) / 1e9, From: c.from, To: c.to})
	}
	return m
}

// remarks say in words what of the split a reader should know.
func (s *splitter) remarks() (notes []string) {
	v := s.view
	if v.err != nil && !errors.Is(v.err, target.ErrNoProcess) {
		notes = append(notes, fmt.Sprintf("malloc's threshold for mappings is inferred from what was served how: %v.", v.err))
	}
	if max := int64(v.params.MmapMax); v.known && max > 0 && int64(v.params.MmappedBlocks)*10 >= max*9 {
		notes = append(notes, fmt.Sprintf("%d blocks are mappings of their own, of at most %d (M_MMAP_MAX): beyond that malloc serves large blocks from its heaps.", v.params.MmappedBlocks, max))
	}
	return notes
}
