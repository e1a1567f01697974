package interval

import "testing"

func TestFind(t *testing.T) {
	s := New([]Entry{
		{Low: 100, High: 200, Ref: 1},
		{Low: 120, High: 130, Ref: 2},
		{Low: 120, High: 130, Ref: 3},
		{Low: 120, High: 125, Ref: 0},
		{Low: 300, High: 300, Ref: 4}, // empty
		{Low: 310, High: 305, Ref: 5}, // reversed
		{Low: ^uint64(0) - 1, High: ^uint64(0), Ref: 6},
	})
	tests := []struct {
		addr   uint64
		find   int // -1: none
		latest int
	}{
		{99, -1, -1},
		{100, 1, 1},
		{120, 0, 3},
		{126, 3, 3},
		{130, 1, 1},
		{199, 1, 1},
		{200, -1, -1},
		{300, -1, -1},
		{306, -1, -1},
		{^uint64(0) - 1, 6, 6},
		{^uint64(0), -1, -1},
	}
	got := func(e Entry, ok bool) int {
		if !ok {
			return -1
		}
		return int(e.Ref)
	}
	for _, test := range tests {
		if got := got(s.Find(test.addr)); got != test.find {
			t.Errorf("Find(%d) = %d, want %d", test.addr, got, test.find)
		}
		if got := got(s.Latest(test.addr)); got != test.latest {
			t.Errorf("Latest(%d) = %d, want %d", test.addr, got, test.latest)
		}
	}
	var empty Set
	if _, ok := empty.Find(1); ok {
		t.Error("the empty set contains 1")
	}
}

// Many short ranges under one that spans them all must not slow down a search. It gives up
// instead of passing over every one.
func TestFindBounded(t *testing.T) {
	entries := []Entry{{Low: 0, High: 1 << 40, Ref: 0}}
	for i := range uint32(100_000) {
		entries = append(entries, Entry{Low: uint64(i)*16 + 16, High: uint64(i)*16 + 17, Ref: i + 1})
	}
	s := New(entries)
	if e, ok := s.Find(16 + 8); !ok || e.Ref != 0 {
		t.Errorf("near the start: %v, %v, want the range around all", e, ok)
	}
	if _, ok := s.Find(100_000*16 + 8); ok {
		t.Error("found a range that is more steps away than a search may take")
	}
}
