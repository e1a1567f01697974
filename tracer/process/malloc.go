package process

import (
	"sync"
	"sync/atomic"
	"time"

	"memtrace/tracer/book/sample"
	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/process/target"
)

// mallocView is what is known of a process's malloc, where it is glibc's. watchMalloc keeps it
// current.
type mallocView struct {
	// using guards heap and all that reads it. It may be held for long, while mu is not.
	using    sync.Mutex
	heap     *ptmalloc.Heap
	checker  *ptmalloc.Checker
	blocks   []ptmalloc.Block
	verdicts []ptmalloc.Verdict
	// caches reads the threads' caches. It is not the checker, which keeps what it has read.
	caches *ptmalloc.Checker
	old    []int // indices of the candidates that findInside checks
	// mu guards state.
	mu    sync.Mutex
	state ptmalloc.Status
	// alone means that no other allocator is mapped. Else an address does not tell whose block
	// is there, and what lies inside a larger chunk may be one of a wrapper.
	alone atomic.Bool
	// first is what malloc kept free when the trace began. It is nil for the malloc of a
	// program that the process executed later.
	first *firstKept
}

// firstKept is valid once done is closed.
type firstKept struct {
	done chan struct{}
	kept ptmalloc.Kept
	ok   bool
}

// keepFirst reads what malloc keeps free, for KeptFirst.
func (v *mallocView) keepFirst() {
	if v == nil || v.first == nil {
		return
	}
	v.first.kept, v.first.ok = v.kept()
	close(v.first.done)
}

// maxChanges limits how many changes of a threshold are remembered.
const maxChanges = 64

// openMalloc looks at a process's malloc. It returns nil if that is not glibc's.
func openMalloc(t *target.Target) *mallocView {
	if !t.HasGlibc() {
		return nil
	}
	v := new(mallocView)
	v.setAlone(t)
	v.state.Brk, v.state.Err = ptmalloc.ReadBrkRange(t.PID)
	if v.state.Err != nil {
		return v
	}
	if v.heap, v.state.Err = ptmalloc.Open(t); v.state.Err == nil {
		v.poll(0)
	}
	return v
}

func (v *mallocView) setAlone(t *target.Target) {
	if v != nil {
		v.alone.Store(t.Allocator().Family == target.Glibc)
	}
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

// poll reads the parameters again, at time now (ns). What cannot be read stays as it was: the
// process may be about to end.
func (v *mallocView) poll(now uint64) {
	// Kept may hold the lock for long. The next poll is soon, so this one does not wait.
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
	v.mu.Lock()
	defer v.mu.Unlock()
	s := &v.state
	if s.Known && p.MmapThreshold != s.Params.MmapThreshold && len(s.Changes) < maxChanges {
		s.Changes = append(s.Changes, ptmalloc.ThresholdChange{Time: now, From: s.Params.MmapThreshold, To: p.MmapThreshold})
	}
	s.Params, s.Known = p, true
}

// findFree marks the candidates whose chunks are free. Those that cannot be told are not
// marked. It returns false if none can be, because the process has ended or its malloc is not
// known.
func (v *mallocView) findFree(list []sample.Candidate, free []bool) bool {
	if v == nil || !v.alone.Load() {
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

// findInside marks the candidates born before a time (ns) that lie inside larger chunks. list
// is the one that findFree was last called with. It returns the processor time that this took.
func (v *mallocView) findInside(list []sample.Candidate, free []bool, before uint64) time.Duration {
	if v == nil || !v.alone.Load() {
		return 0
	}
	v.using.Lock()
	defer v.using.Unlock()
	if v.heap == nil || len(v.verdicts) != len(list) {
		return 0
	}
	start := OwnTime()
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
	return OwnTime() - start
}

// findRange reads the brk heap's range again, and keeps the old one if there is none now.
func (v *mallocView) findRange(pid int) {
	if r, err := ptmalloc.ReadBrkRange(pid); err == nil && r.End > r.Start {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.state.Brk = r
	}
}

// kept returns how much of its memory malloc keeps free. ok is false if that is unknown.
func (v *mallocView) kept() (kept ptmalloc.Kept, ok bool) {
	v.using.Lock()
	defer v.using.Unlock()
	if v.heap == nil {
		return kept, false
	}
	arenas, err := v.heap.Arenas(ptmalloc.Limits{})
	if err != nil {
		return kept, false
	}
	kept.System, kept.Free, kept.Complete = arenas.Total()
	kept.Arenas = len(arenas.Arenas)
	if kept.Arenas == 0 { // the process has not called malloc yet
		kept.CachedKnown = kept.Complete
		return kept, true
	}
	if v.caches == nil {
		v.caches = ptmalloc.NewChecker(v.heap)
	}
	var cached ptmalloc.Sum
	cached, kept.CachedKnown = v.caches.Cached()
	kept.Cached = cached.Bytes
	return kept, true
}
