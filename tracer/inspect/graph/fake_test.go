package graph

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"memtrace/tracer/inspect/census"
)

// memory is a fake process: an arena with blocks, and roots. It implements Walker.
type memory struct {
	t      testing.TB
	arena  []byte
	blocks []census.Block
	// later are blocks that came after the census.
	later []census.Block
	// roots is memory that holds pointers, a page for each root.
	roots []byte
	areas []area
	tries int
	// page, if set, is how much of a root Read gives at once.
	page uint64
	// piece is how much of a block Scan gives at once.
	piece int
}

const (
	arenaBase = 0x5555_0000_0000
	rootBase  = 0x5544_0000_0000
	rootRoom  = 4096
)

func newMemory(t testing.TB, size int) *memory {
	return &memory{t: t, arena: make([]byte, size), piece: 64}
}

// room returns the next free address, as malloc would place a block of a size.
func (m *memory) room(size uint64) census.Block {
	addr := uint64(arenaBase + 16)
	for _, list := range [][]census.Block{m.blocks, m.later} {
		for _, b := range list {
			addr = max(addr, b.Addr+b.Size+8)
		}
	}
	if addr+size > arenaBase+uint64(len(m.arena)) {
		m.t.Fatal("the arena is full")
	}
	return census.Block{Addr: addr, Size: (size+8+15)/16*16 - 8}
}

func (m *memory) malloc(size uint64) uint64 {
	b := m.room(size)
	m.blocks = append(m.blocks, b)
	return b.Addr
}

func (m *memory) mallocLater(size uint64) uint64 {
	b := m.room(size)
	m.later = append(m.later, b)
	return b.Addr
}

func (m *memory) set(addr, word uint64) {
	binary.LittleEndian.PutUint64(m.arena[addr-arenaBase:], word)
}

// root adds a root with words. Unless it is odd they are aligned.
func (m *memory) root(class RootClass, name string, odd bool, words ...uint64) {
	start := uint64(rootBase + len(m.roots))
	page := make([]byte, rootRoom)
	for i, w := range words {
		off := 8 * i
		if odd {
			off += 3
		}
		binary.LittleEndian.PutUint64(page[off:], w)
	}
	m.roots = append(m.roots, page...)
	m.areas = append(m.areas, area{
		start: start, end: start + rootRoom, class: class, odd: odd,
		name: named(Root{Class: class, Name: name, Addr: start}, start, start+rootRoom),
	})
}

func (m *memory) Scan(c *census.Census, visit func(i int, off uint64, content []byte)) error {
	for i := range c.Blocks.Len() {
		b := c.Blocks.At(i)
		for off := uint64(0); off < b.Size; off += uint64(m.piece) {
			piece := m.arena[b.Addr-arenaBase+off:][:min(uint64(m.piece), b.Size-off)]
			visit(i, off, piece)
		}
	}
	return nil
}

func (m *memory) Now(_ *census.Census, addr uint64) (census.Block, bool) {
	m.tries++
	for _, list := range [][]census.Block{m.blocks, m.later} {
		for _, b := range list {
			if addr >= b.Addr && addr <= b.Addr+b.Size {
				return b, true
			}
		}
	}
	return census.Block{}, false
}

func (m *memory) Each(_ context.Context, c *census.Census, addrs []uint64, give func(addr uint64, b census.Block)) bool {
	for _, addr := range addrs {
		if b, ok := m.Now(c, addr); ok {
			give(addr, b)
		}
	}
	return true
}

func (m *memory) Read(addr uint64, buf []byte) int {
	if off := addr - arenaBase; off < uint64(len(m.arena)) {
		return copy(buf, m.arena[off:])
	}
	if off := addr - rootBase; off < uint64(len(m.roots)) {
		if m.page > 0 {
			buf = buf[:min(uint64(len(buf)), m.page-off%m.page)]
		}
		return copy(buf, m.roots[off:])
	}
	return 0
}

func (m *memory) census() *census.Census {
	return &census.Census{
		Blocks: census.NewBlocks(m.blocks),
		Heaps:  []census.Range{{Start: arenaBase, End: arenaBase + uint64(len(m.arena))}},
	}
}

func (m *memory) build() *Graph {
	m.t.Helper()
	c := m.census()
	g, err := build(context.Background(), Config{Walker: m}, c, c.Heaps, func(*Graph) []area { return m.areas })
	if err != nil {
		m.t.Fatal(err)
	}
	return g
}

// holder returns the name of the root that holds a block, "" if none does.
func (m *memory) holder(g *Graph, addr uint64) string {
	m.t.Helper()
	i := g.Census.Blocks.Find(addr)
	if i < 0 {
		m.t.Fatalf("no block at %#x", addr)
	}
	if g.HolderOf(i) < 0 {
		return ""
	}
	return g.Roots[g.HolderOf(i)].Name
}

// chain makes a list of blocks whose first words point to the next, and returns them.
func (m *memory) chain(n int, size uint64) (blocks []uint64) {
	for range n {
		blocks = append(blocks, m.malloc(size))
	}
	for i := range n - 1 {
		m.set(blocks[i], blocks[i+1])
	}
	return blocks
}

func (m *memory) String() string { return fmt.Sprintf("%d blocks", len(m.blocks)) }
