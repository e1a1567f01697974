package returned

import (
	"testing"

	"memtrace/tracer/event"
)

func returned(addr, size, time uint64, stack event.StackID, flags event.Flags) *event.Event {
	return &event.Event{Kind: event.Returned, Addr: addr, Size: size, Time: time, Stack: stack, Flags: flags}
}

// The latest block at an address counts, in whatever order two CPUs tell of it.
func TestLatestWins(t *testing.T) {
	l := new(Ledger)
	l.Add(returned(64, 96, 20, 1, 0))
	l.Add(returned(64, 144, 30, 2, 0))
	l.Add(returned(64, 96, 25, 1, 0))
	l.Add(returned(4112, 1<<20, 40, 3, event.ChunkMmapped))
	if b, ok := l.At(64); !ok || b != (Block{Stack: 2, Time: 30, Size: 136, Times: 1}) {
		t.Errorf("%+v, %v", b, ok)
	}
	if b, ok := l.At(4112); !ok || b.Size != 1<<20-16 {
		t.Errorf("%+v, %v", b, ok)
	}
	if b, ok := l.At(80); ok {
		t.Errorf("%+v of nothing", b)
	}
	if b, ok := (*Ledger)(nil).At(64); ok {
		t.Errorf("%+v of nothing", b)
	}
	l.Gone(64, 29)
	if _, ok := l.At(64); !ok {
		t.Error("what happened before it was returned does not matter")
	}
	l.Gone(64, 31)
	if b, ok := l.At(64); ok {
		t.Errorf("%+v was freed", b)
	}
	l.Add(returned(128, 96, 50, 1, 0))
	if b, _ := l.At(128); b.Times != 3 {
		t.Errorf("%+v: the stack was given three blocks of that size", b)
	}
}

// However many there are, only so many are kept, and these are the latest.
func TestBounds(t *testing.T) {
	l := new(Ledger)
	const n = 5 * mostBlocks
	for i := uint64(1); i <= n; i++ {
		l.Add(returned(i*16, 32, i, event.StackID(i), 0))
	}
	stacks := 0
	l.EachStack(func(event.StackID) { stacks++ })
	if stacks > 2*mostBlocks || stacks < mostBlocks || len(l.times) > mostSources {
		t.Errorf("%d blocks, %d counts", stacks, len(l.times))
	}
	if _, ok := l.At(16); ok {
		t.Error("the oldest is still there")
	}
	if b, ok := l.At(n * 16); !ok || b.Stack != n {
		t.Errorf("%+v, %v", b, ok)
	}
}
