package graph

import (
	"fmt"
	"testing"
)

// Shapes are told by links, depth and width.
func TestShape(t *testing.T) {
	const n = 1000
	array := func(m *memory, gap int, to []uint64) uint64 {
		a := m.malloc(uint64(8 * (gap + 1) * len(to)))
		for i, b := range to {
			m.set(a+uint64(8*(gap+1)*i), b)
		}
		return a
	}
	text := func(m *memory, blocks []uint64) {
		for _, b := range blocks {
			m.set(b+32, m.malloc(72))
		}
	}
	single := func(m *memory) (blocks []uint64) {
		for range n {
			blocks = append(blocks, m.malloc(40))
		}
		return blocks
	}
	for _, tc := range []struct {
		shape Shape
		name  string
		make  func(m *memory) uint64
	}{
		{List, "list", func(m *memory) uint64 { return m.chain(n, 40)[0] }},
		{List, "list with texts", func(m *memory) uint64 { l := m.chain(n, 40); text(m, l); return l[0] }},
		{List, "doubly linked", func(m *memory) uint64 {
			l := m.chain(n, 40)
			for i := range n - 1 {
				m.set(l[i+1]+8, l[i])
			}
			return l[n/2]
		}},
		{Array, "array", func(m *memory) uint64 { return array(m, 0, single(m)) }},
		{Array, "array with texts", func(m *memory) uint64 { l := single(m); text(m, l); return array(m, 0, l) }},
		{Array, "array of arrays", func(m *memory) uint64 {
			l, arrays := single(m), []uint64(nil)
			for i := 0; i < n; i += 50 {
				arrays = append(arrays, array(m, 0, l[i:i+50]))
			}
			return array(m, 0, arrays)
		}},
		{HashTable, "chained", func(m *memory) uint64 {
			var heads []uint64
			for range n / 4 {
				heads = append(heads, m.chain(4, 40)[0])
			}
			return array(m, 0, heads)
		}},
		{HashTable, "one list with buckets", func(m *memory) uint64 { l := m.chain(n, 40); return array(m, 0, l) }},
		{HashTable, "open addressing", func(m *memory) uint64 { return array(m, 1, single(m)) }},
		{Tree, "binary tree", func(m *memory) uint64 {
			l := single(m)
			for i := range l {
				for k := range 2 {
					if child := 2*i + 1 + k; child < n {
						m.set(l[i]+uint64(8*k), l[child])
						m.set(l[child]+16, l[i])
					}
				}
			}
			text(m, l)
			return l[0]
		}},
		{Mixed, "two blocks", func(m *memory) uint64 { return m.chain(2, 40)[0] }},
	} {
		m := newMemory(t, 1<<20)
		m.root(Global, "it", false, tc.make(m))
		g := m.build()
		held := g.HeldBy()
		if len(held) != 1 || held[0].Shape != tc.shape || held[0].Blocks != uint64(len(m.blocks)) || held[0].Root.Name != "it" {
			t.Errorf("%s: %+v (%+v)", tc.name, held, g.held)
		}
	}
}

// Holders come with what they are made of, the largest first.
func TestHeldBy(t *testing.T) {
	m := newMemory(t, 1<<20)
	for i := range 5 {
		blocks := m.chain(10*(i+1), 40)
		m.set(blocks[3]+8, m.malloc(104))
		m.root(Global, fmt.Sprint(i), false, blocks[0], m.malloc(104))
	}
	held := m.build().HeldBy()
	if len(held) != 5 {
		t.Fatalf("%+v", held)
	}
	for i, h := range held {
		n := uint64(10 * (5 - i))
		if h.Root.Name != fmt.Sprint(4-i) || h.Blocks != n+2 || h.Bytes != 40*n+208 || h.Depth != int(n) {
			t.Errorf("%+v", h)
		}
		if len(h.Of) != 2 || h.Of[0] != (KindSum{Size: 40, Blocks: n, Bytes: 40 * n}) || h.Of[1] != (KindSum{Size: 104, Blocks: 2, Bytes: 208}) {
			t.Errorf("%d: made of %+v", i, h.Of)
		}
	}
}
