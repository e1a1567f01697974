package ptmalloc

import (
	"slices"
	"testing"
)

func TestLists(t *testing.T) {
	const near, far = fakeChunks + 0x100, fakeChunks + 0x1000 // in the piece of memory that is read, and not
	for version, want := range map[Version]struct{ fast, cached int }{{2, 28}: {3, 1}, {2, 31}: {3, 1}, {2, 36}: {3, 1}} {
		c, m := fakeChecker(version, 1)
		mangled := func(at, next uint64) uint64 { return c.demangled(next, at) } // its own inverse
		arena := c.h.bias + c.h.Layout.MainArena
		first, second, third := m.chunk(fakeChunks, 0x20, 1), m.chunk(near, 0x20, 1), m.chunk(far, 0x20, 1)
		cached := m.chunk(fakeChunks+0x200, 0x30, 1)
		m.put(arena+c.h.Layout.arena.fast, fakeChunks)
		m.put(first.Address, mangled(first.Address, near))
		m.put(second.Address, mangled(second.Address, far))
		m.put(third.Address, mangled(third.Address, 0))
		l := cacheLayouts[1]
		m.put(fakeCache, 1<<16) // one chunk in bin 1
		m.put(fakeCache+l.entries+8, cached.Address)
		m.put(cached.Address, mangled(cached.Address, 0))
		if err := c.findCaches(); err != nil {
			t.Fatal(err)
		}
		fast, inCaches, complete := c.Lists(10)
		if len(fast) != want.fast || len(inCaches) != want.cached || !complete || !slices.IsSortedFunc(fast, func(a, b Linked) int { return int(a.Addr) - int(b.Addr) }) {
			t.Errorf("%v: %+v, %+v, complete %v", version, fast, inCaches, complete)
		}
		if fast, _, complete := c.Lists(1); len(fast) != 2 || complete {
			t.Errorf("%v: %+v, complete %v, want two of three", version, fast, complete)
		}
		m.put(third.Address, mangled(third.Address, fakeChunks)) // a loop
		if fast, _, complete := c.Lists(100); len(fast) != want.fast || complete {
			t.Errorf("%v: %+v, complete %v", version, fast, complete)
		}
		m.put(third.Address, mangled(third.Address, far+0x40)) // to no chunk
		if fast, _, complete := c.Lists(100); len(fast) != want.fast || complete {
			t.Errorf("%v: %+v, complete %v", version, fast, complete)
		}
		// The first chunk leaves the list before it is read.
		m.put(third.Address, mangled(third.Address, 0))
		m.chunk(fakeChunks+0x300, 0x40, 1)
		m.put(arena+c.h.Layout.arena.fast, fakeChunks+0x300)
		c.rd.mem = &changing{m, func(spans []span) {
			if spans[0].Addr&^(listWindow-1) == fakeChunks {
				m.put(arena+c.h.Layout.arena.fast, fakeChunks)
			}
		}}
		if fast, _, complete := c.Lists(10); len(fast) != want.fast || !complete {
			t.Errorf("%v: %+v, complete %v", version, fast, complete)
		}
	}
}

// changing is memory that changes as it is read.
type changing struct {
	*fakeMemory
	before func(spans []span)
}

func (m *changing) Read(spans []span) {
	m.before(spans)
	m.fakeMemory.Read(spans)
}

// FuzzSurvey looks for heaps, caches and lists in arbitrary memory.
func FuzzSurvey(f *testing.F) {
	for cache := range cacheLayouts {
		_, m := fakeChecker(Version{2, 36}, cache)
		f.Add(byte(cache), byte(36), m.data)
	}
	f.Fuzz(func(t *testing.T, cache, minor byte, data []byte) {
		c, m := fakeChecker(Version{2, 17 + int(minor)%27}, int(cache)%len(cacheLayouts))
		copy(m.data, data)
		if s, err := c.Survey(); err == nil {
			for _, h := range s.Heaps {
				if h.First <= h.Start || h.End <= h.First || h.Arena <= 0 || h.Arena >= len(s.Arenas) {
					t.Errorf("%+v", h)
				}
			}
		}
		const most = 100
		if fast, cached, _ := c.Lists(most); len(fast)+len(cached) > mostPerRead*most {
			t.Errorf("%d and %d chunks", len(fast), len(cached))
		}
		c.Heap(0x12000)
		if m.spans > 1<<16 {
			t.Errorf("%d reads", m.spans)
		}
	})
}
