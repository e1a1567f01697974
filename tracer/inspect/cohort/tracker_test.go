package cohort

import (
	"math/rand/v2"
	"testing"
	"time"

	"memtrace/tracer/inspect/census"
)

// Two leaks are found beside caches and churn of the same sizes, and the caches are not taken for
// leaks; with every one of twenty seeds.
func TestLeaksAndCaches(t *testing.T) {
	for seed := range uint64(20) {
		s, tr := newSimulated(seed), New()
		s.run(tr, 120, 10,
			&leak{size: 136, holder: 2, rate: 1. / 3}, &leak{size: 88, holder: -1, rate: 1. / 3},
			&leak{size: 200, holder: 3, rate: 0.5, changes: true},
			(&cache{size: 152, holder: 4, rate: 200}).fill(s, 5000), (&cache{size: 136, holder: 5, rate: 20}).fill(s, 1000),
			(&cache{size: 328, holder: 6, rate: 5, oldest: true}).fill(s, 2000),
			&churn{n: 1000})
		for _, want := range []struct {
			size   uint64
			holder int32
			class  Class
		}{{136, 2, Steady}, {88, -1, Steady}, {200, 3, Steady}, {152, 4, Fading}, {136, 5, Fading}, {328, 6, Fading}} {
			if g := of(tr, want.size, want.holder); g.Class != want.class {
				t.Errorf("seed %d: size %d of holder %d is %s, not %s: %+v", seed, want.size, want.holder, g.Class, want.class, g)
			}
		}
		for _, g := range tr.Growth() {
			if g.Class == Steady && !(g.Size == 136 && g.Holder == 2 || g.Size == 88 && g.Holder == -1 || g.Size == 200 && g.Holder == 3) {
				t.Errorf("seed %d: not a leak: %+v", seed, g)
			}
		}
	}
}

// The limits of rates hold the true ones as often as they say, for any number of looks, also where
// each two of them have become one.
func TestCoverage(t *testing.T) {
	for _, tc := range []struct {
		name            string
		seconds, period int
		rate            float64 // of leaks
		turnover        float64 // of a cache of the same group
	}{
		{"few blocks", 60, 10, 0.1, 0},
		{"a leak", 120, 10, 1, 0},
		{"beside a cache", 120, 10, 1, 0.5},
		{"three looks", 20, 10, 2, 0},
		{"many looks", 400, 2, 0.5, 0},
	} {
		const runs = 200.0
		held := 0
		for seed := range uint64(runs) {
			s, tr := newSimulated(seed), New()
			parts := []part{&leak{size: 104, holder: 1, rate: tc.rate}}
			if tc.turnover > 0 {
				parts = append(parts, (&cache{size: 104, holder: 1, rate: tc.turnover}).fill(s, 500))
			}
			s.run(tr, tc.seconds, tc.period, parts...)
			g := of(tr, 104, 1)
			if g.Class == "none" {
				held++ // no block came, and nothing is said
				continue
			}
			if g.Low <= tc.rate*60 && tc.rate*60 <= g.High {
				held++
			}
		}
		if float64(held) < Confidence*runs-2*3.1 { // twice the standard deviation of a binomial distribution
			t.Errorf("%s: the limits hold the rate in %d of %v runs", tc.name, held, runs)
		}
		if tc.name == "a leak" && held == runs {
			t.Errorf("%s: the limits always hold the rate, so they are too wide", tc.name)
		}
	}
}

// Blocks whose holder changes before they have settled have not come again: here most of them change
// it between the first two looks, as while a program starts, and some later.
func TestOtherHolder(t *testing.T) {
	s, tr := newSimulated(3), New()
	c := (&cache{size: 104, holder: 1}).fill(s, 500)
	for _, change := range []int{300, 320, 330} {
		s.look(tr)
		for i, o := range c.kept {
			o.hash = s.r.Uint32() // their contents change in use
			if i < change {
				o.holder = 2
			}
		}
		s.now = s.now.Add(10 * time.Second)
	}
	for _, holder := range []int32{1, 2} {
		if g := of(tr, 104, holder); g.Class == Steady || g.Came > 0 {
			t.Errorf("holder %d: %+v", holder, g)
		}
	}
}

// A cache that fills at random gets slower from look to look, and then fades; leaks do not. One that
// fills evenly is as steady as a leak until it is full.
func TestSlowing(t *testing.T) {
	slow, fading := 0, 0
	for seed := range uint64(20) {
		s, tr := newSimulated(seed), New()
		parts := []part{
			&filling{size: 152, holder: 4, rate: 200, slots: make([]*object, 5000)}, &leak{size: 136, holder: 2, rate: 20},
			&leak{size: 200, holder: 3, rate: 3, changes: true}, &filling{size: 328, holder: 6, rate: 20, inOrder: true, slots: make([]*object, 5000)},
		}
		s.run(tr, 40, 10, parts...)
		if g := of(tr, 152, 4); g.Class == Steady && g.Slowing {
			slow++
		} else if g.Class == Fading {
			fading++
		}
		s.run(tr, 160, 10, parts...)
		for _, tc := range []struct {
			size   uint64
			holder int32
		}{{136, 2}, {200, 3}, {328, 6}} {
			if g := of(tr, tc.size, tc.holder); g.Class != Steady || g.Slowing {
				t.Errorf("seed %d: size %d: %s, slowing %v", seed, tc.size, g.Class, g.Slowing)
			}
		}
		if g := of(tr, 152, 4); g.Class == Steady && !g.Slowing {
			t.Errorf("seed %d: a cache that is full by now is %s: %+v", seed, g.Class, g)
		}
	}
	if slow+fading < 19 || slow < 10 {
		t.Errorf("of 20 caches that fill %d are slowing, %d fading", slow, fading)
	}
}

// What comes all at once does not grow.
func TestBurst(t *testing.T) {
	for seed := range uint64(20) {
		s, tr := newSimulated(seed), New()
		s.run(tr, 40, 10)
		(&cache{size: 56, holder: 1}).fill(s, 500)
		s.run(tr, 60, 10)
		if g := of(tr, 56, 1); g.Class != Unknown || g.Came != 500 {
			t.Errorf("seed %d: %+v", seed, g)
		}
	}
}

// The cohorts of a leak are as large as when they came, and those of a cache are not.
func TestCohorts(t *testing.T) {
	s, tr := newSimulated(7), New()
	s.run(tr, 100, 10, &leak{size: 88, holder: -1, rate: 2}, (&cache{size: 152, holder: 4, rate: 20}).fill(s, 500))
	lost, cached := of(tr, 88, -1), of(tr, 152, 4)
	if len(lost.Cohorts) != 9 || lost.Came-lost.Left == 0 {
		t.Fatalf("%+v", lost)
	}
	for _, c := range lost.Cohorts {
		if c.Stayed != c.Came || c.Came < 5 || c.To.Sub(c.From) != 10*time.Second {
			t.Errorf("a cohort of a leak: %+v", c)
		}
	}
	for i, c := range cached.Cohorts[1:7] {
		if c.Stayed > c.Came*9/10 || c.Came < 60 {
			t.Errorf("cohort %d of a cache: %+v", i+1, c)
		}
	}
	if first := cached.Cohorts[0]; !first.From.IsZero() || first.Came != 0 || first.Stayed > 50 {
		t.Errorf("the first look of a cache: %+v", first)
	}
}

// Nothing is said before the third look.
func TestFewLooks(t *testing.T) {
	s, tr := newSimulated(1), New()
	s.run(tr, 10, 10, &leak{size: 88, rate: 50})
	if g := tr.Growth(); g != nil || tr.Looks() != 2 {
		t.Errorf("after %d looks: %+v", tr.Looks(), g)
	}
}

// The column gives back what was put into it, also once its looks were halved, and takes about a byte
// for each block where blocks are alike.
func TestColumn(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, alike := range []bool{false, true} {
		var c column
		var want []mark
		for i := range 3 * partBytes {
			m := mark{uint16(r.Uint32() >> 17), uint8(r.Uint32()), uint8(r.Uint32())}
			if alike {
				m = mark{uint16(i % 60), uint8(i / 5000), uint8(i / 9000)}
			}
			want = append(want, m)
			c.add(m)
		}
		if bytes := len(c.parts) * partBytes; alike && bytes > len(want)*4/3 {
			t.Errorf("%d marks take %d bytes", len(want), bytes)
		}
		for _, drop := range []bool{false, true} {
			from := cursor{from: &c, drop: drop}
			for i, w := range want {
				if drop {
					w.born, w.placed = w.born-w.born/2, w.placed-w.placed/2
				}
				if m, ok := from.next(); !ok || m != w {
					t.Fatalf("mark %d is %+v, not %+v", i, m, w)
				}
			}
			if _, ok := from.next(); ok {
				t.Error("no end")
			}
			c.halve()
		}
		for i, part := range c.parts {
			if part != nil {
				t.Errorf("part %d of %d is kept", i, len(c.parts))
			}
		}
	}
}

// What a comparison is given before a look is added counts as what comes with it, and if the look is
// never added all blocks count as changed.
func TestBegin(t *testing.T) {
	const n = 3*census.HashPage + 77
	blocks := make([]census.Block, n)
	for i := range blocks {
		blocks[i] = census.Block{Addr: uint64(i+1) << 6, Size: 40}
	}
	hash := func(i int) uint32 { return uint32(i) }
	look := func(tr *Tracker, blocks []census.Block) Look {
		return Look{
			At: time.Unix(int64(10*tr.Looks()), 0), Blocks: census.NewBlocks(blocks), Hashes: census.NewHashes(len(blocks), hash),
			Kind: func(int) uint32 { return 0 }, Holder: func(int) int32 { return 0 },
		}
	}
	for given := range 5 {
		tr := New()
		tr.Add(look(tr, blocks))
		l := look(tr, blocks)
		hashed := tr.Begin(l.Blocks)
		for i := range given {
			if i < l.Hashes.Pages() {
				hashed(i*census.HashPage, l.Hashes.Page(i))
			}
		}
		tr.Add(l)
		if g := tr.groups[0]; g.blocks != n || g.fresh != [2]uint64{} {
			t.Errorf("%d pages: %+v", given, g)
		}
	}
	tr := New()
	tr.Add(look(tr, blocks))
	l := look(tr, blocks)
	hashed := tr.Begin(l.Blocks)
	for i := range 2 {
		hashed(i*census.HashPage, l.Hashes.Page(i))
	}
	// The second page drops the first of the look before; the block that ends it is not passed yet.
	tr.Add(look(tr, blocks))
	if g := tr.groups[0]; g.fresh[byPlace] != 0 || g.fresh[byContent] != census.HashPage {
		t.Errorf("after a look that was given up: %+v", g)
	}
}

// Groups beyond a bound are added up, whatever a process makes up.
func TestManyGroups(t *testing.T) {
	tr := New()
	for range 4 {
		blocks := make([]census.Block, 3*MostGroups)
		for i := range blocks {
			blocks[i] = census.Block{Addr: uint64(i+1) << 12, Size: 1 << (i % 12)}
		}
		tr.Add(Look{
			At: time.Unix(int64(tr.Looks()), 0), Blocks: census.NewBlocks(blocks),
			Hashes: census.NewHashes(len(blocks), func(int) uint32 { return 1 }), Kind: func(i int) uint32 { return uint32(i) }, Holder: func(i int) int32 { return int32(i) },
		})
	}
	if n := len(tr.groups); n > MostGroups+64 {
		t.Errorf("%d groups", n)
	}
	var sum uint64
	for _, g := range tr.groups {
		sum += g.blocks
	}
	if sum != 3*MostGroups {
		t.Errorf("%d blocks are in groups", sum)
	}
}

func TestSizeClass(t *testing.T) {
	for size, want := range map[uint64]uint64{0: 0, 24: 24, 1024: 1024, 1032: 1024, 1279: 1024, 1280: 1280, 5000: 4096, 1<<63 + 5: 1 << 63} {
		if got := SizeClass(size); got != want {
			t.Errorf("%d is of class %d, not %d", size, got, want)
		}
	}
}

func TestPoissonLimits(t *testing.T) {
	// Garwood's table.
	for n, want := range map[uint64][2]float64{0: {0, 3.689}, 1: {0.0253, 5.572}, 10: {4.795, 18.390}, 50: {37.111, 65.919}, 100: {81.364, 121.627}} {
		low, high := poissonLimits(n)
		if d := max(low-want[0], want[0]-low, high-want[1], want[1]-high); d > 0.01 {
			t.Errorf("%d: %.3f to %.3f, not %v", n, low, high, want)
		}
	}
}

// A look at ten million blocks, of which most are as they were.
func BenchmarkAdd(b *testing.B) {
	const n = 1 << 20
	blocks := make([]census.Block, n)
	for i := range blocks {
		blocks[i] = census.Block{Addr: 0x555500000000 + uint64(i)*96, Size: 88 + uint64(i%4)}
	}
	all := census.NewBlocks(blocks)
	tr := New()
	for i := 0; b.Loop(); i++ {
		tr.Add(Look{
			At: time.Unix(int64(i), 0), Blocks: all, Hashes: census.NewHashes(n, func(i int) uint32 { return uint32(i) }),
			Kind: func(i int) uint32 { return uint32(i % 9) }, Holder: func(i int) int32 { return int32(i % 5) },
		})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/block")
}
