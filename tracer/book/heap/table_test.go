package heap

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkShard verifies what find and rebuild rely on.
func checkShard(t *testing.T, s *shard) {
	t.Helper()
	size := len(s.segments) * segmentLen
	n, last := 0, uint64(0)
	for i := range size {
		b := s.at(i)
		if b.addr == 0 {
			continue
		}
		n++
		home, h := s.homeOf(b), hash(b.pid, b.addr)
		if h < last || home > i {
			t.Fatalf("entry %d has home %d and hash %x, after %x", i, home, h, last)
		}
		last = h
		for j := home; j < i; j++ {
			if s.at(j).addr == 0 {
				t.Fatalf("entry %d has home %d, but %d is empty", i, home, j)
			}
		}
	}
	if n != s.n {
		t.Fatalf("shard has %d blocks, says %d", n, s.n)
	}
	if s.at(size-1).addr != 0 {
		t.Fatal("the last entry is taken")
	}
}

func TestTable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	tab := newTable()
	want := map[address]block{}
	for step := range 200_003 {
		b := block{
			addr:   0x7f00_0000_0000 + 16*r.Uint64N(60_000),
			pid:    1 + r.Uint32N(2),
			extent: extent(r.Uint64()), time: r.Uint64(), origin: origin(r.Uint32()),
		}
		a := address{b.addr, b.pid}
		old, had := want[a]
		var got block
		var ok bool
		if r.IntN(5) < 3 {
			got, ok = tab.put(&b)
			want[a] = b
		} else {
			got, ok = tab.take(b.pid, b.addr)
			delete(want, a)
		}
		if ok != had || got != old {
			t.Fatalf("step %d: got %v %v, want %v %v", step, got, ok, old, had)
		}
	}
	keep := func(b *block) bool { return b.size()%3 != 0 }
	tab.filter(keep)
	for a, b := range want {
		if !keep(&b) {
			delete(want, a)
		}
	}
	for i := range tab.shards {
		checkShard(t, &tab.shards[i])
	}
	got := map[address]block{}
	tab.each(func(b *block) { got[address{b.addr, b.pid}] = *b })
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{}, address{})); diff != "" {
		t.Error(diff)
	}
	if tab.len() != len(want) {
		t.Errorf("len %d, want %d", tab.len(), len(want))
	}
}

// A shard whose blocks crowd at its end must grow until they fit.
func TestShardOverhang(t *testing.T) {
	var s shard
	s.rebuild(1, nil)
	var want []block
	for addr := uint64(16); len(want) < overhang+9; addr += 16 {
		b := block{addr: addr, pid: 1}
		// Only blocks whose home is in the last thirtieth of shard 0.
		h := hash(1, addr)
		if h>>(64-shardBits) != 0 || h<<shardBits < 0xf700_0000_0000_0000 {
			continue
		}
		want = append(want, b)
		i, ok := s.find(hash(1, addr), 1, addr)
		if ok {
			t.Fatal("found before it was there")
		}
		s.insert(i, &b)
		checkShard(t, &s)
	}
	for _, b := range want {
		if _, ok := s.find(hash(b.pid, b.addr), b.pid, b.addr); !ok {
			t.Fatalf("%#x is missing", b.addr)
		}
	}
	if len(s.segments) < 2 {
		t.Error("the shard has not grown")
	}
}

// The equally spaced addresses of an arena full of same-sized blocks must not pile up,
// whatever the spacing.
func TestHashSpreads(t *testing.T) {
	for _, spacing := range []uint64{16, 32, 48, 80, 144, 1040, 4096, 1 << 16, 1<<20 + 16, 1 << 26} {
		const n = 100_003
		var counts [numShards]int
		tab := newTable()
		for i := range uint64(n) {
			b := block{addr: 0x5555_5555_0010 + i*spacing, pid: 4242}
			counts[hash(b.pid, b.addr)>>(64-shardBits)]++
			tab.put(&b)
		}
		mean := n / numShards
		for i, c := range counts {
			if c < mean*3/4 || c > mean*5/4 {
				t.Errorf("spacing %d: shard %d has %d blocks, the mean is %d", spacing, i, c, mean)
			}
		}
		way := 0
		for i := range tab.shards {
			s := &tab.shards[i]
			for j := range len(s.segments) * segmentLen {
				if b := s.at(j); b.addr != 0 {
					way += j - s.homeOf(b)
				}
			}
		}
		// Random hashes give 1.5 at the highest load.
		if mean := float64(way) / n; mean > 2 {
			t.Errorf("spacing %d: blocks are %.2f entries from home", spacing, mean)
		}
	}
}

func TestMemoryBound(t *testing.T) {
	const blocks, floor = 2_000_003, 40_000
	tab := newTable()
	worst := 0.0
	for i := range uint64(blocks) {
		tab.put(&block{addr: 0x5555_5555_0010 + i*48, pid: 7, extent: extentOf(40, 1)})
		// Nothing is ever freed and no second copy is made, so this is also what the table
		// takes while it grows.
		if n := i + 1; n >= floor && (n%1009 == 0 || n == blocks) {
			per := float64(tab.memoryBytes()) / float64(n)
			worst = max(worst, per)
			if per > 64 {
				t.Fatalf("%.1f bytes a block at %d blocks", per, n)
			}
		}
	}
	t.Logf("worst %.1f, at the end %.1f bytes a block", worst, float64(tab.memoryBytes())/blocks)
}
