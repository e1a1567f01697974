package heap

import (
	"testing"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

func TestThreadEnds(t *testing.T) {
	const ms = 1_000_000
	of := func(tid uint32, time, addr, chunk uint64) event.Event { return by(tid, freeOf(time, addr, chunk)) }
	end := []event.Event{of(7, 1, 0x10, 32), of(7, 2, 0x20, 0), of(7, 3, 0x30, 32), of(7, 4, 0x40, 48), of(7, 5, 0x50, 1040), of(7, 6, 0x60, 0x290)}
	with := func(more ...event.Event) []event.Event { return append(append([]event.Event(nil), end...), more...) }
	for name, tc := range map[string]struct {
		events              []event.Event
		frees, unknown, old uint64
	}{
		"a thread's cache":           {end, 0, 0, 0},
		"with others in between":     {[]event.Event{end[0], of(8, 2, 0x99, 64), end[1], end[2], end[3], end[4], end[5]}, 1, 1, 1},
		"frees before it, in order":  {append([]event.Event{of(7, 0, 0x99, 4096)}, end...), 1, 1, 1},
		"an empty cache":             {[]event.Event{of(7, 1, 0x60, 0x290)}, 0, 0, 0},
		"the thread goes on":         {with(of(7, 9, 0x70, 64)), 7, 7, 6},
		"the thread allocates":       {with(by(7, alloc(9, 0x70, 50, stackA))), 6, 6, 5},
		"another goes on":            {with(of(8, 9, 0x70, 64)), 1, 1, 1},
		"its id is used again later": {with(of(7, 2000*ms, 0x70, 64)), 1, 1, 1},
		"blocks of the cache's size": {[]event.Event{of(7, 1, 0x10, 0x290), of(7, 2, 0x20, 0x290), of(7, 3, 0x30, 64)}, 3, 3, 3},
		"frees long before":          {[]event.Event{of(7, 1, 0x10, 64), of(7, 600*ms, 0x60, 0x290)}, 1, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := New(Config{})
			for i := range tc.events {
				h.Apply(&tc.events[i])
			}
			s := h.Snapshot(live.Options{PID: pid, Way: chunks})
			var old uint64
			for _, o := range s.Old {
				old += o.Blocks
			}
			if c := s.Counters; c.Free != tc.frees || c.UnknownFree != tc.unknown || old != tc.old {
				t.Errorf("%d frees, %d of unknown blocks, %d of old ones; want %d, %d, %d", c.Free, c.UnknownFree, old, tc.frees, tc.unknown, tc.old)
			}
		})
	}
}
