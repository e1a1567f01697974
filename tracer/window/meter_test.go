package window

import (
	"testing"
	"time"
)

// figures is a Book that returns what it is told to.
type figures struct {
	Book
	calls Calls
}

func (f *figures) Calls() Calls                 { return f.calls }
func (f *figures) ProcessorTime() time.Duration { return 0 }

// The count of lost allocations can fall: the probes take back a call that seemed lost.
func TestMeterLostFewer(t *testing.T) {
	book := &figures{calls: Calls{LostAllocs: 3}}
	m := New(Config{OwnTime: func() time.Duration { return 0 }}, nil, book, nil).meter()
	book.calls = Calls{LostAllocs: 1, Allocs: 5}
	if p := m.read(); p.allocs != 5 {
		t.Errorf("%d allocations, want 5", p.allocs)
	}
}
