package vm

import (
	"testing"
	"time"

	"memtrace/tracer/event"
)

// Threads that unmap their own stack and exit leave nothing behind for good.
func TestUndosAreBounded(t *testing.T) {
	l := NewLedger()
	for i := range uint32(50_021) {
		now := uint64(i) * uint64(time.Second) / 50
		m, u := by(i, mmap(now, 0, 4, stackA)), by(i, munmap(now, 0, 4))
		l.Apply(&m)
		l.Apply(&u)
	}
	if n := len(l.undos.last); n > 2*manyUndos {
		t.Errorf("%d undos are kept", n)
	}
}

// Late unmaps are forgotten when the ring has caught up, except for what a call still in
// progress may bring back.
func TestLateUnmapsAreForgotten(t *testing.T) {
	l := NewLedger()
	const n = 10_007
	for i := range uint64(n) {
		u := munmap(n-i, i, 1)
		if i%2 == 0 {
			u = enter(n-i, i, 1)
		}
		u = by(tid+uint32(i%3), u)
		l.ApplyLateUnmap(&u)
		e := by(tid+99+uint32(i), ev(event.MunmapFail, i, 0, 1, 0))
		l.Apply(&e)
	}
	l.CaughtUp(n)
	if late, outcomes := len(l.spaces[pid].late.list), len(l.outcomes); late != 0 || outcomes != 0 {
		t.Errorf("%d late unmaps and %d outcomes are kept", late, outcomes)
	}
	for th, q := range l.undos.late {
		if len(q.list) != 1 {
			t.Errorf("%d undos of thread %d are kept, want its last", len(q.list), th.tid)
		}
	}
	l.CaughtUp(n + 2*staleUndo)
	if n := len(l.undos.late); n != 0 {
		t.Errorf("undos of %d threads are kept for good", n)
	}
}
