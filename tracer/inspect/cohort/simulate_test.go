package cohort

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"memtrace/tracer/inspect/census"
)

// simulated is a heap that reuses the blocks of each size last in, first out, as tcaches do.
type simulated struct {
	// within is how long before and after At the next look lists blocks.
	within time.Duration
	r      *rand.Rand
	now    time.Time
	free   map[uint64][]uint64
	next   uint64
	used   map[uint64]*object
}

type object struct {
	addr, size uint64
	hash       uint32
	kind       uint32
	holder     int32
}

func newSimulated(seed uint64) *simulated {
	return &simulated{
		r: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0), free: make(map[uint64][]uint64),
		next: 0x55550000, used: make(map[uint64]*object),
	}
}

func (s *simulated) malloc(size uint64, kind uint32, holder int32) *object {
	o := &object{size: size, hash: s.r.Uint32(), kind: kind, holder: holder}
	if n := len(s.free[size]); n > 0 {
		o.addr, s.free[size] = s.free[size][n-1], s.free[size][:n-1]
	} else {
		o.addr = s.next
		s.next += (size + 8 + 15) &^ 15
	}
	s.used[o.addr] = o
	return o
}

func (s *simulated) release(o *object) {
	delete(s.used, o.addr)
	s.free[o.size] = append(s.free[o.size], o.addr)
}

// look has the tracker look at the heap as it is.
func (s *simulated) look(t *Tracker) {
	all := make([]*object, 0, len(s.used))
	for _, o := range s.used {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *object) int { return int(int64(a.addr - b.addr)) })
	blocks := make([]census.Block, len(all))
	for i, o := range all {
		blocks[i] = census.Block{Addr: o.addr, Size: o.size}
	}
	t.Add(Look{
		At: s.now.Add(-s.within), Within: s.within, Blocks: census.NewBlocks(blocks),
		Hashes: census.NewHashes(len(all), func(i int) uint32 { return all[i].hash }),
		Kind:   func(i int) uint32 { return all[i].kind },
		Holder: func(i int) int32 { return all[i].holder },
	})
}

// poisson draws how many events of a rate come.
func (s *simulated) poisson(mean float64) int {
	if mean > 50 {
		return int(math.Max(0, math.Round(mean+math.Sqrt(mean)*s.r.NormFloat64())))
	}
	n := 0
	for p := s.r.Float64(); p > math.Exp(-mean); p *= s.r.Float64() {
		n++
	}
	return n
}

// part is something that the simulated program does each second.
type part interface{ second(s *simulated) }

// leak loses blocks, or keeps them in a list. Those that change do so each second.
type leak struct {
	size    uint64
	holder  int32
	rate    float64 // a second
	changes bool
	kept    []*object
}

func (l *leak) second(s *simulated) {
	if l.changes {
		for _, o := range l.kept {
			o.hash = s.r.Uint32()
		}
	}
	for range s.poisson(l.rate) {
		l.kept = append(l.kept, s.malloc(l.size, 0, l.holder))
	}
}

// cache replaces entries of its own: any of them, or the oldest.
type cache struct {
	size   uint64
	holder int32
	rate   float64
	oldest bool
	kept   []*object
}

func (c *cache) fill(s *simulated, n int) *cache {
	for range n {
		c.kept = append(c.kept, s.malloc(c.size, 0, c.holder))
	}
	return c
}

func (c *cache) second(s *simulated) {
	for range s.poisson(c.rate) {
		i := 0
		if !c.oldest {
			i = s.r.IntN(len(c.kept))
		}
		s.release(c.kept[i])
		c.kept = append(slices.Delete(c.kept, i, i+1), s.malloc(c.size, 0, c.holder))
	}
}

// filling is a cache with so many slots, which are empty at first. An entry comes into any of them, or
// into an empty one as long as there is one.
type filling struct {
	size    uint64
	holder  int32
	rate    float64
	inOrder bool
	slots   []*object
	next    int
}

func (f *filling) second(s *simulated) {
	for range s.poisson(f.rate) {
		i := s.r.IntN(len(f.slots))
		if f.inOrder {
			i = f.next % len(f.slots)
			f.next++
		}
		if f.slots[i] != nil {
			s.release(f.slots[i])
		}
		f.slots[i] = s.malloc(f.size, 0, f.holder)
	}
}

// churn frees and allocates all of its blocks, of sizes from 24 to 312, each second.
type churn struct {
	n    int
	kept []*object
}

func (c *churn) second(s *simulated) {
	for _, o := range c.kept {
		s.release(o)
	}
	c.kept = c.kept[:0]
	for range c.n + s.r.IntN(c.n/10+1) {
		c.kept = append(c.kept, s.malloc(24+16*s.r.Uint64N(19), 0, 1))
	}
	s.r.Shuffle(len(c.kept), func(i, j int) { c.kept[i], c.kept[j] = c.kept[j], c.kept[i] })
}

// run has parts work for some seconds, with a look each period.
func (s *simulated) run(t *Tracker, seconds, period int, parts ...part) {
	for i := range seconds + 1 {
		if i%period == 0 {
			s.look(t)
		}
		for _, p := range parts {
			p.second(s)
		}
		s.now = s.now.Add(time.Second)
	}
}

// of returns the growth of a size and holder.
func of(t *Tracker, size uint64, holder int32) Growth {
	for _, g := range t.Growth() {
		if g.Size == size && g.Holder == holder {
			return g
		}
	}
	return Growth{Class: "none"}
}
