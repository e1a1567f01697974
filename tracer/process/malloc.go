package process

import (
	"sync"
	"time"

	"memtrace/tracer/book/sample"
	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/process/target"
)

// mallocView is what is known of the malloc of a process, where it is glibc's.
// watchMalloc keeps it up.
type mallocView struct {
	// using guards heap and what reads it, for long and without the lock.
	using    sync.Mutex
	heap     *ptmalloc.Heap
	checker  *ptmalloc.Checker
	blocks   []ptmalloc.Block
	verdicts []ptmalloc.Verdict
	old      []int // indices of the candidates that findInside is about
	// mu guards state.
	mu    sync.Mutex
	state ptmalloc.Status
}

// maxChanges bounds what is remembered of a threshold that never rests.
const maxChanges = 64

// openMalloc looks at a process's malloc; nil where it is not glibc's.
func openMalloc(t *target.Target) *mallocView {
	if o := t.Allocator(); o == nil || o.Family != target.Glibc {
		return nil
	}
	v := new(mallocView)
	v.state.Brk, v.state.Err = ptmalloc.ReadBrkRange(t.PID)
	if v.state.Err != nil {
		return v
	}
	if v.heap, v.state.Err = ptmalloc.Open(t); v.state.Err == nil {
		v.state.Checkable = true
		v.poll(0)
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

// poll reads the parameters again, at time now (ns). What cannot be read stays as it was:
// the process may be about to end.
func (v *mallocView) poll(now uint64) {
	// Who cannot wait for Kept comes again soon.
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

// findRange reads the brk heap's range again, as long as there is one.
func (v *mallocView) findRange(pid int) {
	if r, err := ptmalloc.ReadBrkRange(pid); err == nil && r.End > r.Start {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.state.Brk = r
	}
}

// kept says how much of its memory malloc keeps free; ok is false where that is unknown.
// complete: no less is free than that.
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
	return kept, true
}
