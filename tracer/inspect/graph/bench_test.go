package graph

import (
	"context"
	"encoding/binary"
	"runtime"
	"testing"

	"memtrace/tracer/inspect/census"
)

// synthetic is a heap of many blocks whose content is made as it is read.
type synthetic struct {
	n     int
	state uint64
	buf   [96]byte
}

const (
	// A block has 88 bytes, as most objects have about 100.
	syntheticStep = 96
	syntheticSize = 88
)

func (s *synthetic) addr(i int) uint64 { return arenaBase + 16 + uint64(i)*syntheticStep }

// Scan gives each block one and a half pointers on average: to the next of one of many lists, and to
// any block.
func (s *synthetic) Scan(c *census.Census, visit func(i int, off uint64, content []byte)) error {
	for i := range s.n {
		s.state = s.state*6364136223846793005 + 1442695040888963407
		next := uint64(0)
		if i+1000 < s.n {
			next = s.addr(i + 1000)
		}
		binary.LittleEndian.PutUint64(s.buf[0:], next)
		any := s.state >> 33
		if s.state>>20&1 == 0 {
			any = s.addr(int(any % uint64(s.n)))
		}
		binary.LittleEndian.PutUint64(s.buf[24:], any)
		binary.LittleEndian.PutUint64(s.buf[32:], 0x4554_5445_5845_5431)
		binary.LittleEndian.PutUint64(s.buf[40:], uint64(i))
		visit(i, 0, s.buf[:syntheticSize])
	}
	return nil
}

func (s *synthetic) Now(*census.Census, uint64) (census.Block, bool) { return census.Block{}, false }

func (s *synthetic) Each(context.Context, *census.Census, []uint64, func(uint64, census.Block)) bool {
	return true
}

func (s *synthetic) Read(addr uint64, buf []byte) int {
	clear(buf)
	for off := range min(uint64(len(buf)), 8000) / 8 {
		binary.LittleEndian.PutUint64(buf[8*off:], s.addr(int(off)))
	}
	return len(buf)
}

// BenchmarkBuild follows the pointers of 10 million blocks in 1 GB. Beside the time it tells what
// the graph takes per block.
func BenchmarkBuild(b *testing.B) {
	const n = 10_000_000
	s := &synthetic{n: n}
	blocks := make([]census.Block, n)
	for i := range blocks {
		blocks[i] = census.Block{Addr: s.addr(i), Size: syntheticSize}
	}
	c := &census.Census{Blocks: census.NewBlocks(blocks), Heaps: []census.Range{{Start: arenaBase, End: s.addr(n)}}}
	blocks = nil
	root := area{start: rootBase, end: rootBase + 8000, class: Global, name: named(Root{Name: "lists"}, rootBase, rootBase+8000)}
	b.ResetTimer()
	for range b.N {
		before := inUse()
		g, err := build(context.Background(), Config{Walker: s}, c, c.Heaps, func(*Graph) []area { return []area{root} })
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		b.ReportMetric(float64(inUse()-before)/n, "B/block")
		b.ReportMetric(float64(g.Pointers), "pointers")
		if lost := len(g.Unreachable()); lost != 0 {
			b.Fatalf("%d unreachable", lost)
		}
		b.StartTimer()
		runtime.KeepAlive(g)
	}
}

// BenchmarkContents is what making the contents takes of that.
func BenchmarkContents(b *testing.B) {
	s := &synthetic{n: 10_000_000}
	for range b.N {
		_ = s.Scan(nil, func(int, uint64, []byte) {})
	}
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
