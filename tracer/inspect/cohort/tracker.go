package cohort

import (
	"time"

	"memtrace/tracer/inspect/census"
)

// mostLooks is how many looks after the first one are kept apart. When there are more, each two become
// one, so that the older a cohort is the longer the time is in which it came. It is odd: see halve.
const mostLooks = 63

// Look is one look at all blocks.
type Look struct {
	// At is when the blocks were listed, each at some time not farther from it than Within.
	At     time.Time
	Within time.Duration
	Blocks *census.Blocks
	// Hashes are those of the blocks. The Tracker keeps them, and drops them later.
	Hashes *census.Hashes
	// Kind and Holder are those of block i.
	Kind   func(i int) uint32
	Holder func(i int) int32
}

// Tracker follows the blocks of a heap from look to look. Of the last look it keeps the blocks, their
// hashes, and mostly a byte or two for each. It is not safe for concurrent use.
type Tracker struct {
	// times are those of the looks: what came at look i came since times[i-1], and settled at look i+1.
	times []time.Time
	// within has the Within of each.
	within []time.Duration
	// second is the second look. What had settled by a look may leave from then on.
	second time.Time
	// blocks, hashes and last are those of the last look.
	blocks *census.Blocks
	hashes *census.Hashes
	last   column
	// comparing is the look that has begun.
	comparing *comparison
	// groups have the numbers that entries have; numbers has the same by key, and free are those that
	// were given up.
	groups  []*group
	numbers map[Key]uint16
	free    []uint16
	cache   [1 << 12]struct {
		key   Key
		group uint16
		known bool
	}
	looks int
}

// New returns a Tracker that has seen nothing.
func New() *Tracker { return &Tracker{numbers: make(map[Key]uint16)} }

// Looks is how many looks there were.
func (t *Tracker) Looks() int { return t.looks }

// Add takes a look.
func (t *Tracker) Add(l Look) {
	now := uint8(len(t.times))
	t.times, t.within = append(t.times, l.At), append(t.within, l.Within)
	if now == 1 {
		t.second = l.At
	}
	t.looks++
	for _, g := range t.groups {
		g.blocks, g.bytes, g.fresh = 0, 0, [2]uint64{}
	}
	same := t.compared(&l)
	before := t.before()
	blocks := l.Blocks.Cursor()
	for i := range l.Blocks.Len() {
		b, _ := blocks.Next()
		e := entry{addr: b.Addr, mark: mark{born: now, placed: now}, same: same.isSame(i)}
		e.group = t.find(Key{SizeClass(b.Size), l.Kind(i), l.Holder(i)})
		for before.ok && before.addr < e.addr {
			t.gone(before.mark, now)
			before.next()
		}
		if before.ok && before.addr == e.addr {
			t.meet(before.mark, &e, now)
			before.next()
		}
		g := t.groups[e.group]
		g.blocks++
		g.bytes += b.Size
		if e.born == now {
			g.fresh[byContent]++
		}
		if e.placed == now {
			g.fresh[byPlace]++
		}
		t.last.add(e.mark)
	}
	for ; before.ok; before.next() {
		t.gone(before.mark, now)
	}
	t.blocks, t.hashes = l.Blocks, l.Hashes
	if now == mostLooks {
		t.halve()
	}
}

// compared ends the comparison with the look before.
func (t *Tracker) compared(l *Look) *comparison {
	if t.comparing == nil || t.comparing.blocks != l.Blocks {
		t.Begin(l.Blocks)
	}
	c := t.comparing
	t.comparing = nil
	for i := c.next / census.HashPage; i < l.Hashes.Pages(); i++ {
		c.hashed(i*census.HashPage, l.Hashes.Page(i))
	}
	return c
}

// entry is a block. same: its content is that of the one that was at its address.
type entry struct {
	addr uint64
	mark
	same bool
}

// previous are the blocks of the look before. ok is false behind the last.
type previous struct {
	blocks census.Cursor
	marks  cursor
	addr   uint64
	mark
	ok bool
}

// before takes the blocks of the look before out of the Tracker.
func (t *Tracker) before() *previous {
	old := t.last
	t.last = column{}
	p := &previous{marks: cursor{from: &old, drop: true}}
	if t.blocks != nil {
		p.blocks = t.blocks.Cursor()
		p.next()
	}
	return p
}

func (p *previous) next() {
	var b census.Block
	b, p.ok = p.blocks.Next()
	p.addr = b.Addr
	p.mark, _ = p.marks.next()
}

// meet compares a block with the one that was at its address at the look before.
func (t *Tracker) meet(was mark, e *entry, now uint8) {
	from, to := t.groups[was.group].key, t.groups[e.group].key
	moved := from != to && (from == to.merged() || to == from.merged())
	switch {
	case moved: // it is only counted elsewhere
		t.gone(was, now)
		e.placed = was.placed
	case from.Size != to.Size:
		t.gone(was, now)
		return
	case was.group == e.group || was.placed+1 >= now:
		// One that has not settled may change its holder, as while a program starts: it has not come again.
		e.placed = was.placed
	default:
		t.leave(was.placed, byPlace, was.group, now) // another block of this size
	}
	t.settle(e.placed, byPlace, e.group, now)
	if e.same {
		e.born = was.born
		t.settle(e.born, byContent, e.group, now)
	} else if !moved {
		t.leave(was.born, byContent, was.group, now)
	}
}

// gone counts a block that is not there any more.
func (t *Tracker) gone(was mark, now uint8) {
	t.leave(was.born, byContent, was.group, now)
	t.leave(was.placed, byPlace, was.group, now)
}

// settle counts a block that is the same at a look as at the one before if it was new then. Those of
// the first look are of any age, and have not come.
func (t *Tracker) settle(since uint8, by int, group uint16, now uint8) {
	if since+1 == now && since > 0 {
		t.groups[group].at(now).in[by]++
	}
}

// leave counts a block that had settled and is not the same any more.
func (t *Tracker) leave(since uint8, by int, group uint16, now uint8) {
	if since+1 < now {
		t.groups[group].at(now).out[by]++
	}
}

// halve makes one look of each two. The first stays alone, since its blocks are of any age, and so
// does the last, since its new blocks have not settled.
func (t *Tracker) halve() {
	last := len(t.times) - 1
	for look, at := range t.times {
		t.times[halved(uint8(look))], t.within[halved(uint8(look))] = at, t.within[look]
	}
	n := halved(uint8(last)) + 1
	t.times, t.within = t.times[:n], t.within[:n]
	for _, g := range t.groups {
		g.halve()
	}
	t.last.halve()
}

// halved is the number of a look once each two have become one.
func halved(look uint8) uint8 { return look - look/2 }
