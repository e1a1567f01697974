package sample

import (
	"testing"

	"memtrace/tracer/event"
)

const second = uint64(1e9)

// alloc, free and the like are events of one thread.
func alloc(addr, size, stack, time uint64) *event.Event {
	return &event.Event{Kind: event.Alloc, Addr: addr, Size: size, Stack: event.StackID(stack), Time: time, TID: 1}
}

func free(addr, time uint64) *event.Event {
	return &event.Event{Kind: event.Free, Addr: addr, Time: time, TID: 1}
}

func apply(s *Set, events ...*event.Event) {
	for _, ev := range events {
		s.Apply(ev)
	}
}

func TestCandidates(t *testing.T) {
	for _, test := range []struct {
		name   string
		events []*event.Event // of a second window, [10 s, 11 s]
		want   Counters
		left   int
	}{
		{"kept", nil, Counters{Candidates: 2}, 2},
		{"freed later", []*event.Event{free(16, 10*second)}, Counters{Candidates: 2, Freed: 1}, 1},
		{"handed out again", []*event.Event{alloc(16, 1, 2, 10*second), free(16, 10*second)}, Counters{Candidates: 2, Reused: 1}, 1},
		{"realloced", []*event.Event{
			{Kind: event.ReallocEnter, Addr: 16, Time: 10 * second, TID: 1},
			{Kind: event.Realloc, Addr: 64, Size: 9, Time: 10 * second, TID: 1},
		}, Counters{Candidates: 3, Freed: 1}, 2},
		{"realloc fails", []*event.Event{
			{Kind: event.ReallocEnter, Addr: 16, Time: 10 * second, TID: 1},
			{Kind: event.ReallocFail, Addr: 16, Time: 10 * second, TID: 1},
		}, Counters{Candidates: 2}, 2},
		{"exec", []*event.Event{{Kind: event.Exec, Time: 10 * second}}, Counters{Candidates: 2}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := New(Config{})
			s.Begin(second)
			apply(s, alloc(16, 8, 1, second), alloc(32, 8, 1, second), alloc(48, 8, 1, second), free(48, second))
			s.End(2*second, true)
			s.Begin(10 * second)
			apply(s, test.events...)
			s.End(11*second, true)
			if got := s.Counters(); got != test.want || s.Len() != test.left {
				t.Errorf("%+v and %d candidates, want %+v and %d", got, s.Len(), test.want, test.left)
			}
		})
	}
}

// A block that is inside realloc when its window ends is not a candidate, whatever becomes of
// the call.
func TestReallocOutlastsWindow(t *testing.T) {
	s := New(Config{})
	s.Begin(1)
	apply(s, alloc(16, 8, 1, 1), &event.Event{Kind: event.ReallocEnter, Addr: 16, Time: 2, TID: 1})
	s.End(3, true)
	apply(s, &event.Event{Kind: event.ReallocFail, Addr: 16, Time: 4, TID: 1})
	if len(s.blocks) != 0 || s.Len() != 0 {
		t.Errorf("%d blocks, %d candidates", len(s.blocks), s.Len())
	}
}

// Nothing counts of a window that was not seen whole, except frees.
func TestInvalidWindow(t *testing.T) {
	s := New(Config{})
	s.Begin(1)
	apply(s, alloc(16, 8, 1, 1))
	s.End(2, true)
	s.Begin(3)
	apply(s, free(16, 3), alloc(32, 8, 1, 4))
	s.End(5, false)
	if n, traced := s.Traced(); s.Len() != 0 || n != 1 || traced != 1 {
		t.Errorf("%d candidates, %d windows, %d ns, want none, 1, 1", s.Len(), n, traced)
	}
	if got := s.Counters(); got != (Counters{Candidates: 1, Freed: 1, Dropped: 1}) {
		t.Errorf("%+v", got)
	}
}

// Allocations outside windows prove that their address was free. They are not candidates, nor
// are mappings that are counted elsewhere.
func TestNoCandidates(t *testing.T) {
	s := New(Config{SkipMapped: true})
	s.Begin(1)
	apply(s, alloc(16, 8, 1, 1))
	mapped := alloc(0x10000, 1<<20, 1, 1)
	mapped.Flags = event.ChunkMmapped
	apply(s, mapped, alloc(0, 8, 1, 1))
	s.End(2, true)
	apply(s, alloc(16, 8, 1, 5), alloc(32, 8, 1, 5))
	if s.Len() != 0 || s.Counters().Reused != 1 {
		t.Errorf("%d candidates, %+v", s.Len(), s.Counters())
	}
}

// A block's content is known from before its window's end. So a chunk that belongs to somebody
// else by the first check after that has changed.
func TestCheckedInWindow(t *testing.T) {
	s := New(Config{})
	s.Begin(1)
	apply(s, alloc(16, 8, 1, 1), alloc(32, 8, 1, 1), alloc(48, 8, 1, 1), free(48, 1))
	for _, c := range s.Candidates(nil, false) {
		c.Print = 7
		s.Checked(&c, false, 2)
	}
	s.End(3, true)
	if list := s.Candidates(nil, false); len(list) != 2 {
		t.Errorf("%d candidates, want 2", len(list))
	}
	for _, c := range s.Candidates(nil, false) {
		c.Print = 7
		if c.Address == 16 {
			c.Print = 8
		}
		s.Checked(&c, false, 4)
	}
	for _, c := range s.Candidates(nil, false) {
		if !c.Known || c.Active != (c.Address == 16) {
			t.Errorf("%#x: known %v, active %v", c.Address, c.Known, c.Active)
		}
	}
}

// What a check finds concerns the block that it was asked about, not one that has taken over
// the address.
func TestChecked(t *testing.T) {
	s := New(Config{})
	s.Begin(1)
	apply(s, alloc(16, 8, 1, 1), alloc(32, 8, 1, 1), alloc(48, 8, 1, 1))
	s.End(2, true)
	list := s.Candidates(nil, false)
	if len(list) != 3 || list[0].Known {
		t.Fatalf("candidates %+v", list)
	}
	for i := range list {
		list[i].Header, list[i].Print = 33, list[i].Address
		s.Checked(&list[i], false, 3)
	}
	s.Begin(4)
	apply(s, alloc(48, 8, 2, 4))
	s.End(5, true)
	for i := range list {
		list[i].Print = 16
		s.Checked(&list[i], list[i].Address == 48, 6)
	}
	if s.Len() != 3 || s.Counters().FoundFree != 0 {
		t.Errorf("%d candidates, %+v", s.Len(), s.Counters())
	}
	for _, c := range s.Candidates(nil, true) {
		if active := s.blocks[c.Address].active; active != (c.Address == 32) {
			t.Errorf("block %d: active %v", c.Address, active)
		}
		if c.Known && c.Header != 33 {
			t.Errorf("block %d: header %d", c.Address, c.Header)
		}
		s.Checked(&c, true, 7)
	}
	if s.Len() != 0 || s.Counters().FoundFree != 3 {
		t.Errorf("%d candidates, %+v", s.Len(), s.Counters())
	}
}
