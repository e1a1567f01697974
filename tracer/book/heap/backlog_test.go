package heap

import (
	"testing"

	"memtrace/tracer/event"
)

// A late free may overtake its own block's allocation, and also the free of the block before
// it at the same address. It must then end both blocks.
func TestLateFreeOvertakesTwoBlocks(t *testing.T) {
	h := New(Config{})
	ring := []event.Event{
		{Kind: event.Free, PID: 1, TID: 1, Time: 20, Addr: 64},
		{Kind: event.Alloc, PID: 1, TID: 1, Time: 30, Addr: 64, Size: 8, Stack: 2},
	}
	h.Apply(&event.Event{Kind: event.Alloc, PID: 1, TID: 1, Time: 10, Addr: 64, Size: 8, Stack: 1})
	h.ApplyLateFree(&event.Event{Kind: event.Free, PID: 1, TID: 1, Addr: 64, Time: 40})
	for i := range ring {
		h.Apply(&ring[i])
	}
	if live := h.Live(); live.Blocks != 0 {
		t.Errorf("%d blocks are live, all were freed", live.Blocks)
	}
	h.CaughtUp(50)
	h.Apply(&event.Event{Kind: event.Alloc, PID: 1, TID: 1, Time: 60, Addr: 64, Size: 8, Stack: 2})
	if live := h.Live(); live.Blocks != 1 {
		t.Errorf("%d blocks are live, one was allocated since", live.Blocks)
	}
}
