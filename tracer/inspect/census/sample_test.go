package census

import (
	"hash/maphash"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

func listOf(b *Blocks) (list []Block) {
	for c := b.Cursor(); ; {
		x, ok := c.Next()
		if !ok {
			return list
		}
		list = append(list, x)
	}
}

// One that has more large blocks than there may be cannot make room.
func TestThinLarge(t *testing.T) {
	w := &walk{most: 10, sampling: true}
	for i := range uint64(20) {
		w.out.add(i<<20, Large)
	}
	if w.full() || w.out.b.n != 20 {
		t.Errorf("%d blocks of one of %d", w.out.b.n, 1<<w.out.shift)
	}
}

// A builder that thins at any time, and goes back at any time, has the blocks of the sample and no others.
func TestThin(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var x builder
		var all []Block
		addr := uint64(1 << 30)
		for range 3000 {
			size := []uint64{24, 40, 24 + rng.Uint64N(200), 100_000, 1<<32 + 8}[min(rng.IntN(200), 4)]
			all = append(all, Block{addr, size})
			x.add(addr, size)
			x.add(addr+16, 8) // which begins before the last one ends
			addr = (addr + size + 8 + 16*rng.Uint64N(3) + 15) &^ 15
			switch rng.IntN(1000) {
			case 0:
				x.thin()
			case 1:
				n := rng.IntN(x.b.n + 1)
				kept := 0
				at := slices.IndexFunc(all, func(b Block) bool {
					if !sampled(b.Addr, b.Size, x.shift) {
						return false
					}
					kept++
					return kept > n
				})
				x.truncate(n)
				if at >= 0 {
					all, addr = all[:at], all[at].Addr
				}
			}
		}
		shift := x.shift
		want := slices.DeleteFunc(all, func(b Block) bool { return !sampled(b.Addr, b.Size, shift) })
		got := listOf(x.finish())
		if !slices.Equal(got, want) {
			t.Fatalf("one of %d: %d blocks, want %d", 1<<shift, len(got), len(want))
		}
	}
}

// A sample has just the blocks of a whole census whose addresses are in it, with their contents, and the
// same sums.
func TestSample(t *testing.T) {
	pid := testprog.Command(t, exec.Command(testprog.PathIn(t, "testdata", "large"), "100000")).PID()
	whole := open(t, pid)
	all := whole.mustLook(t)
	seed := maphash.MakeSeed()
	contents := func(w *Walker, c *Census) map[uint64]uint64 {
		hashes := make(map[uint64]*maphash.Hash)
		if err := w.Scan(c, func(i int, _ uint64, content []byte) {
			addr := c.Blocks.At(i).Addr
			if hashes[addr] == nil {
				hashes[addr] = new(maphash.Hash)
				hashes[addr].SetSeed(seed)
			}
			hashes[addr].Write(content)
		}); err != nil {
			t.Fatal(err)
		}
		sums := make(map[uint64]uint64)
		for addr, h := range hashes {
			sums[addr] = h.Sum64()
		}
		return sums
	}
	content := contents(whole, all)
	for _, most := range []int{10, 20_000, 90_000} {
		w := open(t, pid)
		w.Most, w.Sample = most, true
		c := w.mustLook(t)
		want := slices.DeleteFunc(listOf(all.Blocks), func(b Block) bool { return !sampled(b.Addr, b.Size, c.Shift) })
		if got := listOf(c.Blocks); !slices.Equal(got, want) || c.Shift == 0 || len(got) > most/2 {
			t.Errorf("at most %d: %d blocks of one of %d, want %d", most, len(got), 1<<c.Shift, len(want))
		}
		if c.Totals != all.Totals {
			t.Errorf("sums %+v, want %+v", c.Totals, all.Totals)
		}
		for addr, sum := range contents(w, c) {
			if content[addr] != sum {
				t.Fatalf("the content of %#x is not the same", addr)
			}
		}
		if again := w.mustLook(t); again.Shift != c.Shift || !slices.Equal(listOf(again.Blocks), want) {
			t.Errorf("the next time: %d blocks of one of %d", again.Blocks.Len(), 1<<again.Shift)
		}
	}
	w := open(t, pid)
	w.Most, w.Sample = 1_000_000, true
	if c := w.mustLook(t); c.Shift != 0 || c.Blocks.Len() != all.Blocks.Len() {
		t.Errorf("%d of %d blocks of a heap that fits", c.Blocks.Len(), all.Blocks.Len())
	}
}
