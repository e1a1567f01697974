package sample

import (
	"testing"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// Of many stacks with one block each and one that leaks, all the others are given up first.
// What they hold is kept.
func TestGiveUp(t *testing.T) {
	const windows, stacks = 30, 101
	s := New(Config{})
	addr := uint64(0)
	for w := range uint64(windows) {
		s.Begin(w * second)
		for i := range uint64(stacks) {
			addr += 16
			s.Apply(alloc(addr, 8, 1000*w+i, w*second+1))
		}
		addr += 16
		s.Apply(alloc(addr, 64, 7777777, w*second+2))
		s.End(w*second+second/50, true)
		if w > 0 { // in the first window the leak is like any other stack
			s.GiveUp()
		}
	}
	if s.open = true; s.StackBytes() != uint64(len(s.stacks))*stackBytes {
		t.Errorf("%d bytes of %d stacks", s.StackBytes(), len(s.stacks))
	}
	before := len(s.stacks)
	if s.GiveUp(); len(s.stacks) != before {
		t.Error("stacks were given up while a window was open")
	}
	s.open = false
	if before > 6*stacks {
		t.Errorf("%d stacks are kept", before)
	}
	known := 0
	s.EachStack(func(event.StackID) { known++ })
	if given := s.Counters().GivenUp; known != before || given.Empty != 0 || int(given.Holding) != windows*stacks+2-before {
		t.Errorf("%+v given up, %d of %d known", given, known, before)
	}
	var blocks, bytes uint64
	var leak *Estimate
	snap := s.Snapshot(100 * second)
	for i, e := range snap.Estimates {
		blocks += e.Survivors.Blocks + e.Young.Blocks
		bytes += e.Survivors.Bytes + e.Young.Bytes
		if e.ID == 7777777 {
			leak = &snap.Estimates[i]
		}
	}
	if blocks != windows*(stacks+1) || bytes != windows*(8*stacks+64) {
		t.Errorf("%d blocks, %d bytes", blocks, bytes)
	}
	if leak == nil || leak.Survivors.Blocks+leak.Young.Blocks != windows || leak.Class != Leak {
		t.Errorf("the leak: %+v", leak)
	}
	// Its blocks are freed like any other stack's.
	for a := uint64(16); a <= addr; a += 16 {
		s.Free(a, 101*second)
	}
	if s.Len() != 0 || s.stacks[live.GivenUp].candidates != s.stacks[live.GivenUp].deaths {
		t.Errorf("%d candidates are left, %+v", s.Len(), s.stacks[live.GivenUp])
	}
}

// A window with more blocks than may be kept takes no more memory for them.
func TestFullWindow(t *testing.T) {
	s := New(Config{MaxCandidates: 10})
	for w, blocks := range []uint64{6, 5, 4} {
		at := uint64(w) * second
		s.Begin(at)
		for i := range blocks {
			s.Apply(alloc(1000*uint64(w+1)+16*i, 8, i, at))
		}
		if len(s.young) > 10 {
			t.Errorf("%d blocks of a window are kept", len(s.young))
		}
		s.End(at+second/50, true)
	}
	if s.Len() != 10 || s.Counters().Dropped != 1 || len(s.blocks) != 10 {
		t.Errorf("%d candidates, %d windows dropped, %d blocks", s.Len(), s.Counters().Dropped, len(s.blocks))
	}
}
