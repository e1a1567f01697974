package graph

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"memtrace/tracer/inspect/census"
)

// A block is held by the first root whose words lead to it, and by none if no word does.
func TestHolder(t *testing.T) {
	m := newMemory(t, 64<<10)
	start, inside, end, shifted := m.malloc(40), m.malloc(40), m.malloc(40), m.malloc(40)
	list := m.chain(5, 100)
	both, behind, header, lost := m.malloc(24), m.malloc(24), m.malloc(24), m.malloc(24)
	m.set(list[4]+96, behind)
	m.set(lost+8, both)
	m.root(Global, "start", false, 0, start, 17, ^uint64(0), list[0]+104)
	m.root(Global, "inside", false, inside+9)
	m.root(Mapping, "end", false, end+40)
	m.root(Mapping, "code", true, shifted)
	m.root(Stack, "list", false, list[0], both)
	m.root(Stack, "later", false, both, header-8)
	m.areas[0].start += 3 // variables may begin in the middle of a word
	g := m.build()
	for _, tc := range []struct {
		what string
		addr uint64
		want string
	}{
		{"the start", start, "start"},
		{"a middle", inside, "inside"},
		{"the end", end, "end"},
		{"a pointer at an odd address", shifted, "code"},
		{"the end of a list", list[4], "list"},
		{"behind a list", behind, "list"},
		{"two roots", both, "list"},
		{"a pointer to its header", header, ""},
		{"nobody", lost, ""},
	} {
		if got := m.holder(g, tc.addr); got != tc.want {
			t.Errorf("%s: held by %q, want %q", tc.what, got, tc.want)
		}
	}
	lostOnes := []int32{int32(g.Census.Blocks.Find(header)), int32(g.Census.Blocks.Find(lost))}
	if got := g.Unreachable(); !slices.Equal(got, lostOnes) {
		t.Errorf("unreachable %v, want %v", got, lostOnes)
	}
}

// In generated code a pointer may be anywhere, even where two readings meet.
func TestOdd(t *testing.T) {
	for at := range 600 {
		m := newMemory(t, 4096)
		block := m.malloc(24)
		m.root(Mapping, "code", true)
		m.page = 512
		binary.LittleEndian.PutUint64(m.roots[at:], block)
		if got := m.holder(m.build(), block); got != "code" {
			t.Errorf("at %d: held by %q", at, got)
		}
	}
}

// A path leads from the root over each block, and says why there is none.
func TestWhy(t *testing.T) {
	m := newMemory(t, 1<<20)
	list := m.chain(5000, 24)
	lost := m.malloc(24)
	m.root(Global, "list", false, list[0])
	g := m.build()
	steps, err := g.Why(list[3] + 8)
	if err != nil || len(steps) != 5 || steps[0].Root == nil || steps[0].Root.Name != "list" {
		t.Fatalf("%+v, %v", steps, err)
	}
	for i, s := range steps[1:] {
		if s.Block.Addr != list[i] || s.Root != nil || s.Omitted != 0 {
			t.Errorf("step %d: %+v", i, s)
		}
	}
	steps, err = g.Why(list[4999])
	all := 0
	for _, s := range steps[1:] {
		all += 1 + s.Omitted
	}
	if err != nil || all != 5000 || len(steps) != 2*maxSteps+1 || steps[len(steps)-1].Block.Addr != list[4999] || steps[maxSteps+1].Block.Addr != list[4000] {
		t.Errorf("%d steps for %d blocks, %v", len(steps), all, err)
	}
	if _, err := g.Why(lost); !errors.Is(err, ErrNotHeld) {
		t.Errorf("lost: %v", err)
	}
	if _, err := g.Why(rootBase); !errors.Is(err, ErrNoBlock) {
		t.Errorf("no block: %v", err)
	}
}

// Blocks that came after the census are followed: from roots, from blocks that were there, and from
// each other.
func TestLate(t *testing.T) {
	m := newMemory(t, 64<<10)
	old, tail, far := m.chain(10, 40), m.malloc(40), m.malloc(40)
	head, middle, third := m.mallocLater(40), m.mallocLater(40), m.mallocLater(40)
	m.set(head+8, middle)
	m.set(middle, head)
	m.set(middle+16, old[0])
	m.set(old[9]+32, third+8)
	m.set(third, tail)
	m.root(Global, "list", false, head, head, m.room(8).Addr+4096)
	g := m.build()
	if g.Late != 3 || len(g.Unreachable()) != 1 || m.holder(g, tail) != "list" || m.holder(g, far) != "" {
		t.Errorf("%d late, unreachable %v", g.Late, g.Unreachable())
	}
	if steps, err := g.Why(tail); err != nil || len(steps) != 15 || !steps[1].Late || !steps[13].Late || steps[14].Block.Addr != tail {
		t.Errorf("%+v, %v", steps, err)
	}
	if m.tries > 5 {
		t.Errorf("%d looks for 4 words", m.tries)
	}
	if len(g.Skipped) > 0 {
		t.Errorf("skipped %v", g.Skipped)
	}
}

// The hash of a block tells contents apart, wherever a word is, and does not depend on how the
// content comes.
func TestHash(t *testing.T) {
	m := newMemory(t, 64<<10)
	same1, same2, moved, zero := m.malloc(4000), m.malloc(4000), m.malloc(4000), m.malloc(4000)
	m.set(same1+800, 7)
	m.set(same2+800, 7)
	m.set(moved+808, 7)
	g := m.build()
	at := func(addr uint64) uint32 {
		hash, ok := g.Hash.At(g.Census.Blocks.Find(addr))
		if !ok {
			t.Errorf("no hash for %#x", addr)
		}
		return hash
	}
	if at(same1) != at(same2) || at(same1) == at(moved) || at(zero) == at(same1) || at(zero) != 0 {
		t.Errorf("%v", g.Hash.Page(0))
	}
	before := slices.Clone(g.Hash.Page(0))
	m.piece = 4096
	if g = m.build(); g.Hash.Pages() != 1 || !slices.Equal(before, g.Hash.Page(0)) {
		t.Errorf("%v in small pieces, %v in large ones", before, g.Hash.Page(0))
	}
}

// What lies beside all heaps, or in two of them, is found.
func TestIndex(t *testing.T) {
	blocks := census.NewBlocks([]census.Block{
		{Addr: 0x1000, Size: 24},
		{Addr: 0x10010, Size: 0x7ff8},
		{Addr: 0x18010, Size: 8},
		{Addr: 0x20010, Size: 0xfff0},
		{Addr: 0x50010, Size: 1 << 35},
		{Addr: 0x900050010, Size: 24},
	})
	x := newIndex(blocks, []census.Range{
		{Start: 0x50000, End: 0x900060000}, {Start: 0x20000, End: 0x30000}, {Start: 0x10000, End: 0x1a000}, {Start: 0x10000, End: 0x18000}, {Start: 9, End: 9},
	})
	for _, tc := range []struct {
		word  uint64
		block int
		zone  bool
	}{
		{0, -1, false},
		{0xfff, -1, false},
		{0x1000, 0, true},
		{0x1017, 0, true},
		{0x1018, 0, true},
		{0x1019, -1, false},
		{0x1000f, -1, true},
		{0x10010, 1, true},
		{0x17fff, 1, true},
		{0x18008, 1, true},
		{0x18009, -1, true},
		{0x18010, 2, true},
		{0x18018, 2, true},
		{0x18019, -1, true},
		{0x1a000, -1, false},
		{0x2ffff, 3, true},
		{0x30000, -1, false},
		{0x30001, -1, false},
		{0x50010, 4, true},
		{0x50010 + 1<<35, 4, true},
		{0x50011 + 1<<35, -1, true},
		{0x900050020, 5, true},
		{0x900060000, -1, false},
		{^uint64(0), -1, false},
	} {
		if block, zone := x.find(tc.word); block != tc.block || zone != tc.zone {
			t.Errorf("%#x: block %d, %v; want %d, %v", tc.word, block, zone, tc.block, tc.zone)
		}
	}
}

// Build ends when it is told to.
func TestCancelled(t *testing.T) {
	m := newMemory(t, 64<<10)
	m.chain(100, 24)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := m.census()
	if _, err := build(ctx, Config{Walker: m}, c, c.Heaps, func(*Graph) []area { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
