package vm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// These own pages in the model, besides stacks.
const (
	nobody   = event.StackID(0)
	before   = event.StackID(1 << 32)
	reserved = event.StackID(1 << 33)
)

// growthModel is an address space, page by page.
type growthModel struct {
	pages [64]event.StackID
	brk   uint64
}

func (m *growthModel) set(start, n uint64, owner event.StackID) {
	for i := range n {
		m.pages[start+i] = owner
	}
}

// step applies a random system call to the model, and returns it as events.
func (m *growthModel) step(r *rand.Rand, t uint64) []event.Event {
	// The break moves in the lower half, mappings are in the upper half.
	start, n := 32+r.Uint64N(24), 1+r.Uint64N(8)
	s := event.StackID(1 + r.Uint64N(3))
	switch r.IntN(8) {
	case 0:
		brkPage := r.Uint64N(32)
		for page := m.brk; page < brkPage; page++ {
			m.pages[page] = s
		}
		for page := brkPage; page < m.brk; page++ {
			m.pages[page] = nobody
		}
		m.brk = brkPage
		return []event.Event{brk(t, brkPage, s)}
	case 1, 2:
		m.set(start, n, s)
		return []event.Event{grown(t, start, n, s)}
	case 3:
		m.set(start, n, reserved)
		return []event.Event{mmap(t, start, n, s)}
	case 4:
		m.set(start, n, nobody)
		return []event.Event{munmap(t, start, n)}
	case 5: // as the kernel does, one mapping at a time
		prot := 3 * r.Uint64N(2)
		for page := start; page < start+n; page++ {
			switch owner := m.pages[page]; {
			case prot != 0 && owner == reserved:
				m.pages[page] = s
			case prot == 0 && owner != nobody && owner != before:
				m.pages[page] = reserved
			}
		}
		return []event.Event{mprotect(t, start, n, prot, s)}
	case 6: // a call that fails
		return []event.Event{munmap(t, start, n), ev(event.MunmapFail, t+1, start, n, 0)}
	}
	return m.move(r, t, start, n, s)
}

// move moves a range whose pages are all of one kind, as the kernel demands.
func (m *growthModel) move(r *rand.Rand, t, start, n uint64, s event.StackID) []event.Event {
	kind := func(owner event.StackID) int {
		switch owner {
		case nobody:
			return 0
		case reserved:
			return 1
		}
		return 2
	}
	for i := range n {
		if kind(m.pages[start+i]) != kind(m.pages[start]) || m.pages[start] == nobody {
			return nil
		}
	}
	to, size := 32+r.Uint64N(24), 1+r.Uint64N(8)
	if to < start+n && start < to+size {
		to = start
	}
	old := append([]event.StackID{}, m.pages[start:start+n]...)
	m.set(start, n, nobody)
	for i := range size {
		switch {
		case i < n:
			m.pages[to+i] = old[i]
		case kind(old[0]) == 1:
			m.pages[to+i] = reserved
		default:
			m.pages[to+i] = s
		}
	}
	return []event.Event{enter(t, start, n), mremapBy(t+1, start, to, size, s)}
}

// TestGrowthModel checks that after any calls, each stack holds the pages that it holds in the
// model.
func TestGrowthModel(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 7))
		m := &growthModel{brk: 10}
		m.set(2, 8, before)
		m.set(40, 6, before)
		m.set(46, 5, reserved)
		l := NewGrowthLedger()
		l.Begin(pid, Mapped{base + 10*pageSize, []Initial{
			{Start: base + 2*pageSize, End: base + 10*pageSize},
			{Start: base + 40*pageSize, End: base + 46*pageSize},
			{Start: base + 46*pageSize, End: base + 51*pageSize, Reserved: true},
		}})
		var log []string
		for i := range uint64(40) {
			for _, e := range m.step(r, 10*i+1) {
				l.Apply(&e)
				log = append(log, fmt.Sprintf("%+v", e))
			}
			want, got := make(map[event.StackID]uint64), make(map[event.StackID]uint64)
			for _, owner := range m.pages {
				if owner != nobody && owner != before && owner != reserved {
					want[owner] += pageSize
				}
			}
			for _, s := range l.Snapshot(live.Options{}).Stacks {
				got[s.ID] = s.Bytes
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d (-want +got):\n%s\n%v", seed, diff, log[max(0, len(log)-6):])
			}
		}
	}
}
