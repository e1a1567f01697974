package graph

import (
	"context"
	"encoding/binary"
	"testing"

	"memtrace/tracer/inspect/census"
)

// hostile is memory that answers whatever it was made to: blocks that overlap or wrap around, words
// that point anywhere, reads and looks that contradict the census.
type hostile struct {
	data []byte
	at   int
}

func (h *hostile) byte() byte {
	if len(h.data) == 0 {
		return 0
	}
	h.at++
	return h.data[h.at%len(h.data)]
}

// word is often near the blocks.
func (h *hostile) word() uint64 {
	switch b := h.byte(); b % 4 {
	case 0:
		return arenaBase + uint64(h.byte())*8
	case 1:
		return arenaBase + uint64(h.byte())<<8 + uint64(h.byte())
	case 2:
		return ^uint64(0) - uint64(h.byte())*8
	default:
		return uint64(h.byte()) << (b / 4)
	}
}

func (h *hostile) content(n int) []byte {
	buf := make([]byte, n)
	for i := 0; i+8 <= n; i += 8 {
		binary.LittleEndian.PutUint64(buf[i:], h.word())
	}
	return buf
}

func (h *hostile) Scan(c *census.Census, visit func(i int, off uint64, content []byte)) error {
	for i := range c.Blocks.Len() {
		if b := h.byte(); b%16 == 0 {
			visit(int(int8(h.byte())), uint64(h.byte())<<b, h.content(int(b)))
		}
		visit(i, 0, h.content(int(h.byte())))
		visit(i, uint64(h.byte())*8, h.content(int(h.byte())))
	}
	return nil
}

func (h *hostile) Now(*census.Census, uint64) (census.Block, bool) {
	return census.Block{Addr: h.word(), Size: h.word()}, h.byte()%2 == 0
}

func (h *hostile) Each(_ context.Context, _ *census.Census, addrs []uint64, give func(addr uint64, b census.Block)) bool {
	for range min(len(addrs), int(h.byte())) {
		give(h.word(), census.Block{Addr: h.word(), Size: h.word()})
	}
	return h.byte()%2 == 0
}

func (h *hostile) Read(_ uint64, buf []byte) int {
	n := min(len(buf), int(h.byte())*8)
	copy(buf, h.content(n))
	return n - int(h.byte()%3)
}

// No content makes a graph panic, loop or contradict itself.
func FuzzBuild(f *testing.F) {
	f.Add([]byte("\x05\x00\x10\x01\x20\x02\x30\x03 some words that follow"))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 0xff, 0xfe, 0x80, 0x7f})
	// A range of 2^50 bytes, an area in the last page of all, and a block before the first.
	f.Add([]byte("\x05\x00\x01 \xd2\xd2\xd2\xd2\xd2\xd2\xd2\xd2 Xords that@follow"))
	f.Add([]byte("\x00\x01\xff\xff\x80\x00\x06\a\xff\u0780\x7f"))
	f.Add([]byte("\x8c\b\xf0@\xff\x8c\xcf\x1e\u0700\x00\xff\xe6\x10\x05'\a\xe5\xfe\a\xff\xfe\x80\x7f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h := &hostile{data: data}
		var blocks []census.Block
		addr := uint64(arenaBase)
		for range h.byte() % 32 {
			addr += 16 + uint64(h.byte())*16
			blocks = append(blocks, census.Block{Addr: addr, Size: uint64(h.byte()) * 8})
		}
		c := &census.Census{Blocks: census.NewBlocks(blocks)}
		for range h.byte() % 8 {
			c.Heaps = append(c.Heaps, census.Range{Start: h.word(), End: h.word()})
		}
		var p Passes
		for range MinPasses {
			p.Add(hostilePass(t, h, c))
		}
		p.Lost()
	})
}

func hostilePass(t *testing.T, h *hostile, c *census.Census) *Graph {
	areas := func(*Graph) (list []area) {
		for range h.byte() % 8 {
			a := area{start: h.word(), class: RootClass(h.byte()), odd: h.byte()%2 == 0}
			a.end = a.start + uint64(h.byte())<<8
			if h.byte()%4 == 0 {
				a.words = []uint64{h.word(), h.word()}
			}
			a.name = named(Root{Class: a.class}, h.word(), h.word())
			list = append(list, a)
		}
		return list
	}
	g, err := build(context.Background(), Config{Walker: h, limits: limits{late: 64, tries: 256, bytes: 1 << 16}}, c, grown(c.Heaps, nil), areas)
	if err != nil {
		t.Fatal(err)
	}
	held := uint64(0)
	for _, r := range g.HeldBy() {
		held += r.Blocks
	}
	if n := uint64(len(g.Unreachable())); held+n != uint64(c.Blocks.Len()) {
		t.Errorf("%d blocks are held, %d not, of %d", held, n, c.Blocks.Len())
	}
	for i := range c.Blocks.Len() {
		steps, err := g.Why(c.Blocks.At(i).Addr)
		if (err == nil) != (g.HolderOf(i) >= 0) || err == nil && steps[len(steps)-1].Block != c.Blocks.At(i) {
			t.Errorf("block %d: %v, %v", i, steps, err)
		}
	}
	return g
}

// What /proc says of threads may be anything.
func FuzzThread(f *testing.F) {
	f.Add("0 0x1 0x2 0x3 0x4 0x5 0x6 0x7ffd 0x7f12\nrunning\n-1 0x7ffd0 0x401000")
	f.Fuzz(func(t *testing.T, text string) {
		var th thread
		th.waits(text)
	})
}

func TestThreadText(t *testing.T) {
	var th thread
	if th.waits("running"); th.stack != 0 || len(th.registers) != 0 {
		t.Errorf("running: %+v", th)
	}
	if th.waits("-1 0x7ffd10 0x401000"); th.stack != 0x7ffd10 || len(th.registers) != 1 {
		t.Errorf("outside of system calls: %+v", th)
	}
	if th.waits("35 0x1 0x2 0x3 0x4 0x5 0x6 0x7ffd20 0x401000"); th.stack != 0x7ffd20 || len(th.registers) != 7 || th.registers[5] != 6 {
		t.Errorf("in a system call: %+v", th)
	}
}
