package graph

import (
	"encoding/binary"
	"testing"

	"memtrace/tracer/inspect/census"
)

// passes builds as many graphs, with a change of memory before each but the first.
func passes(m *memory, n int, change func(i int)) *Passes {
	var p Passes
	for i := range n {
		if i > 0 && change != nil {
			change(i)
		}
		p.Add(m.build())
	}
	return &p
}

// Lost blocks come with what hangs on them, and each block counts once.
func TestLost(t *testing.T) {
	m := newMemory(t, 1<<20)
	held := m.chain(10, 40)
	m.root(Global, "held", false, held[0])
	alone := m.malloc(24)
	list := m.chain(50, 40)
	ring := m.chain(30, 88)
	m.set(ring[29], ring[0])
	tail := m.chain(5, 40) // hangs on the ring
	m.set(ring[7]+16, tail[0])
	back := m.chain(2, 56) // a ring behind the ring
	m.set(back[1], back[0])
	m.set(tail[4], back[0])
	m.set(list[10]+8, held[3]) // what is held is not lost with what points to it
	self := m.malloc(200)
	m.set(self, self+8)
	p := passes(m, 2, nil)
	if lost := p.Lost(); lost != nil || p.Len() != 2 {
		t.Errorf("after two passes: %v", lost)
	}
	p.Add(m.build())
	got := make(map[uint64]Lost)
	var blocks uint64
	for i, l := range p.Lost() {
		got[l.Root.Addr] = l
		blocks += l.Blocks
		if !l.Certain || l.Why == "" || i > 0 && l.Bytes > p.Lost()[i-1].Bytes {
			t.Errorf("%+v", l)
		}
	}
	for addr, want := range map[uint64]Lost{
		alone: {Blocks: 1, Bytes: 24}, list[0]: {Blocks: 50, Bytes: 50 * 40}, self: {Blocks: 1, Bytes: 200},
	} {
		if l := got[addr]; l.Blocks != want.Blocks || l.Bytes != want.Bytes || l.Cycle {
			t.Errorf("%#x: %+v, want %+v", addr, l, want)
		}
		delete(got, addr)
	}
	for addr, l := range got {
		if !l.Cycle || l.Blocks != 37 || l.Bytes != 30*88+5*40+2*56 || addr < ring[0] || addr > ring[29] {
			t.Errorf("ring: %+v", l)
		}
	}
	if len(got) != 1 || blocks != 89 {
		t.Errorf("%d rings, %d blocks", len(got), blocks)
	}
}

// What changes between passes, is held in one of them, or is another block by then is not lost.
func TestLostForever(t *testing.T) {
	m := newMemory(t, 1<<20)
	lost, changed, moved, resized := m.malloc(24), m.malloc(24), m.malloc(24), m.malloc(24)
	m.root(Stack, "stack", false)
	var p Passes
	p.Add(m.build())
	m.set(changed+8, 1)
	p.Add(m.build())
	for i := range m.blocks {
		if m.blocks[i].Addr == resized {
			m.blocks[i].Size -= 16
		}
	}
	copy(m.roots, []byte{byte(moved), byte(moved >> 8), byte(moved >> 16), byte(moved >> 24), byte(moved >> 32), byte(moved >> 40)})
	p.Add(m.build())
	if l := p.Lost(); len(l) != 1 || l[0].Root.Addr != lost {
		t.Errorf("%+v", l)
	}
}

// Nothing is certain while passes still find blocks held that had seemed lost.
func TestSettled(t *testing.T) {
	m := newMemory(t, 1<<20)
	var blocks []uint64
	for range 100 {
		blocks = append(blocks, m.malloc(24))
	}
	m.root(Stack, "stack", false)
	hold := func(n int) { // all but the first n
		clear(m.roots)
		for i, b := range blocks[n:] {
			binary.LittleEndian.PutUint64(m.roots[8*i:], b)
		}
	}
	var p Passes
	for i, tc := range []struct {
		lost    int
		settled bool
	}{{100, false}, {40, false}, {10, false}, {5, false}, {4, true}, {4, true}, {3, false}} {
		hold(tc.lost)
		p.Add(m.build())
		if got := p.Settled(); got != tc.settled {
			t.Errorf("pass %d: settled %v", i+1, got)
		}
		for _, l := range p.Lost() {
			if l.Certain != tc.settled || l.Why == "" {
				t.Errorf("pass %d: %+v", i+1, l)
			}
		}
	}
}

// Nothing is certain if a pass did not see all memory.
func TestDoubt(t *testing.T) {
	m := newMemory(t, 1<<20)
	m.malloc(24)
	var p Passes
	for i := range 3 {
		g := m.build()
		if i == 1 {
			g.Census.Skipped = []census.Skip{{Why: "swapped out"}}
		}
		p.Add(g)
	}
	if l := p.Lost(); len(l) != 1 || l[0].Certain || l[0].Why != "not all memory was looked at: swapped out" {
		t.Errorf("%+v", l)
	}
}

// A list whose head is always newer than the census is held.
func TestGrowingList(t *testing.T) {
	m := newMemory(t, 4<<20)
	m.chain(3, 24) // lost
	list := m.chain(2000, 40)
	head := list[0]
	m.root(Global, "head", false, head)
	var p Passes
	for range 4 {
		for range 500 {
			next := m.mallocLater(40)
			m.set(next, head)
			head = next
		}
		for i := range 8 {
			m.roots[i] = byte(head >> (8 * i))
		}
		p.Add(m.build())
		m.blocks, m.later = append(m.blocks, m.later...), nil
	}
	if l := p.Lost(); len(l) != 1 || l[0].Blocks != 3 {
		t.Errorf("%+v", l)
	}
}
