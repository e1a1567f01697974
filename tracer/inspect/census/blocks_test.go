package census

import (
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
)

// someBlocks makes blocks of all kinds: dense and sparse, large and small, near and far. In some
// stretches all are small and near.
func someBlocks(rng *rand.Rand, n int) (blocks []Block) {
	at := uint64(0x10000)
	odds := 200
	for i := range n {
		if i%5000 == 0 {
			odds = []int{200, 50_000, 1 << 30}[rng.IntN(3)]
		}
		size := rng.Uint64N(12)*16 + 24
		switch rng.IntN(odds) {
		case 0:
			at += rng.Uint64N(1<<20) &^ 15
		case 1:
			size = 1 << (16 + rng.UintN(19)) // up to 16 GiB
		case 2:
			at += rng.Uint64N(1<<38) &^ 15
		}
		blocks = append(blocks, Block{at, size})
		at += (size + 8 + 15) &^ 15
		if rng.IntN(3) == 0 {
			at += rng.Uint64N(100) * 16
		}
	}
	return blocks
}

func TestFind(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		blocks := someBlocks(rng, []int{0, 1, 2, 9, 100, 20000}[seed%6])
		b := NewBlocks(shuffled(rng, blocks))
		if b.Len() != len(blocks) {
			t.Fatalf("seed %d: %d blocks, want %d", seed, b.Len(), len(blocks))
		}
		for i, x := range blocks {
			if b.At(i) != x {
				t.Fatalf("seed %d: block %d is %#x, want %#x", seed, i, b.At(i), x)
			}
			for _, addr := range []uint64{x.Addr - 9, x.Addr - 1, x.Addr, x.Addr + rng.Uint64N(x.Size), x.Addr + x.Size - 1, x.Addr + x.Size, x.Addr + x.Size + 1, x.Addr + rng.Uint64N(1<<22)} {
				if got, want := b.Find(addr), naive(blocks, addr); got != want {
					t.Fatalf("seed %d: %#x is in block %d, want %d", seed, addr, got, want)
				}
			}
		}
		for range 1000 {
			addr := rng.Uint64()>>rng.IntN(64) | 1
			if got, want := b.Find(addr), naive(blocks, addr); got != want {
				t.Fatalf("seed %d: %#x is in block %d, want %d", seed, addr, got, want)
			}
		}
	}
}

// Blocks that are close to one another take little, whatever is among them, and others not much.
func TestBlocksAreSmall(t *testing.T) {
	bytes := func(b *Blocks) (n int) {
		for i := range b.segments {
			n += len(b.segments[i].groups)*groupBytes + len(b.segments[i].entries)*entryBytes
		}
		return n
	}
	const n = 300_007
	for _, tc := range []struct {
		name string
		make func(i int) Block
		most int // bytes for 10 blocks
	}{
		{"small", func(i int) Block { return Block{0x1000 + uint64(i)*112, 104} }, 20},
		{"with some large ones", func(i int) Block {
			return Block{0x1000 + uint64(i)*112 + uint64(i/1000)<<16, 104 + uint64(i%1000/999)<<16}
		}, 35},
		{"with some that are irregular", func(i int) Block { return Block{0x1000 + uint64(i)*112, 104 - uint64(i%9973/9972)} }, 50},
		{"large", func(i int) Block { return Block{uint64(i+1) << 12, 4000} }, 80},
		{"huge", func(i int) Block { return Block{uint64(i+1) << 22, 1 << 21} }, 80},
	} {
		var blocks []Block
		for i := range n {
			blocks = append(blocks, tc.make(i))
		}
		b := NewBlocks(blocks)
		if got := bytes(b); 10*got > tc.most*n {
			t.Errorf("%s: %.1f bytes a block, want at most %.1f", tc.name, float64(got)/n, float64(tc.most)/10)
		}
		c := b.Cursor()
		for i, x := range blocks {
			if got, ok := c.Next(); !ok || got != x || i%97 == 0 && (b.At(i) != x || b.Find(x.Addr+x.Size) != i) {
				t.Fatalf("%s: block %d is %#x, want %#x", tc.name, i, got, x)
			}
		}
		if _, ok := c.Next(); ok {
			t.Errorf("%s: too many", tc.name)
		}
	}
}

func shuffled(rng *rand.Rand, blocks []Block) []Block {
	blocks = slices.Clone(blocks)
	rng.Shuffle(len(blocks), func(i, k int) { blocks[i], blocks[k] = blocks[k], blocks[i] })
	return blocks
}

// naive is Find, written another way.
func naive(blocks []Block, addr uint64) int {
	i := sort.Search(len(blocks), func(i int) bool { return blocks[i].Addr > addr }) - 1
	if i < 0 || addr > blocks[i].Addr+blocks[i].Size {
		return -1
	}
	return i
}

// TestTruncate takes back blocks while they are collected, as a walk does that lost its way.
func TestTruncate(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 2))
		blocks := someBlocks(rng, 3*mostBlocks)
		var b builder
		for i := 0; i < len(blocks); i++ {
			b.add(blocks[i].Addr, blocks[i].Size)
			if rng.IntN(20000) == 0 {
				i -= min(i, rng.IntN(10+rng.IntN(100000)))
				b.truncate(i + 1)
			}
		}
		got := b.finish()
		if got.Len() != len(blocks) {
			t.Fatalf("seed %d: %d blocks, want %d", seed, got.Len(), len(blocks))
		}
		for i, x := range blocks {
			if got.At(i) != x || got.Find(x.Addr) != i {
				t.Fatalf("seed %d: block %d is %#x, found as %d, want %#x", seed, i, got.At(i), got.Find(x.Addr), x)
			}
		}
	}
}

// BenchmarkFind finds addresses in 10 million blocks, anywhere and one after another.
func BenchmarkFind(b *testing.B) {
	const n = 10 << 20
	rng := rand.New(rand.NewPCG(1, 2))
	blocks := make([]Block, n)
	at := uint64(0x555500000010)
	for i := range blocks {
		blocks[i] = Block{at, 24 + 16*rng.Uint64N(10)}
		at += blocks[i].Size + 8
	}
	all := NewBlocks(blocks)
	first, span := blocks[0].Addr, at-blocks[0].Addr
	for name, address := range map[string]func(n uint64) uint64{
		"anywhere": func(n uint64) uint64 { return first + n*0x9e3779b97f4a7c15>>20%span },
		"near":     func(n uint64) uint64 { return first + n*8%span },
		"outside":  func(n uint64) uint64 { return n * 0x9e3779b97f4a7c15 },
	} {
		b.Run(name, func(b *testing.B) {
			n, found := uint64(0), 0
			for b.Loop() {
				n++
				if all.Find(address(n)) >= 0 {
					found++
				}
			}
			b.ReportMetric(float64(found)/float64(n), "found")
		})
	}
}
