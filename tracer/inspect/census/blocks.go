package census

import (
	"cmp"
	"slices"
	"sort"
)

// Blocks are blocks in use, sorted by address. They take 2 bytes each where blocks are close to one
// another and of about 100 bytes, and at most 9. Their addresses are multiples of 16, as malloc's
// are. They are safe for concurrent use.
type Blocks struct {
	segments []segment
	// bases are the segments' bases.
	bases []uint64
	n     int
	// huge are the sizes that do not fit an entry, by block.
	huge map[int]uint64
}

// segment is blocks that follow one another. It has either groups or entries.
type segment struct {
	base, end uint64 // of the first block, and behind the last one
	first, n  int
	groups    []group
	entries   []entry
}

// entry is a block: its distance from the segment's base in units of 16 bytes, and its size in
// bytes, or isHuge.
type entry struct{ off, size uint32 }

const (
	unit   = 16
	isHuge = ^uint32(0)
	// mostBlocks is how many blocks a segment has at most, and mostSpan how far they may be from one
	// another, in bytes.
	mostBlocks, mostSpan = 1 << 16, 1 << 36
	// A segment that has fewBlocks ends before a gap of more than maxGap bytes.
	fewBlocks, maxGap = 64, 1 << 20
	entryBytes        = 8
)

// Block is a block as malloc returned it.
type Block struct {
	Addr uint64
	// Size is what the program may use of the chunk (malloc_usable_size), in bytes.
	Size uint64
}

// NewBlocks makes Blocks of any blocks that do not overlap.
func NewBlocks(blocks []Block) *Blocks {
	blocks = slices.Clone(blocks)
	slices.SortFunc(blocks, func(a, b Block) int { return cmp.Compare(a.Addr, b.Addr) })
	var b builder
	for _, x := range blocks {
		b.add(x.Addr, x.Size)
	}
	return b.finish()
}

// Len is the number of blocks.
func (b *Blocks) Len() int { return b.n }

// At returns block i. To go through many, take a Cursor.
func (b *Blocks) At(i int) Block {
	k := sort.Search(len(b.segments), func(k int) bool { return b.segments[k].first > i }) - 1
	return b.block(&b.segments[k], i)
}

// block returns block i, which is in a segment.
func (b *Blocks) block(s *segment, i int) Block {
	k := i - s.first
	if s.groups != nil {
		first, last := s.units(k)
		return Block{s.base + uint64(first)*unit, uint64(last-first)*unit + unit/2}
	}
	e := s.entries[k]
	return Block{s.base + uint64(e.off)*unit, b.size(e, i)}
}

func (b *Blocks) size(e entry, i int) uint64 {
	if e.size == isHuge {
		return b.huge[i]
	}
	return uint64(e.size)
}

// Find returns the block that addr points into, or to the end of (one past its last byte), or -1.
func (b *Blocks) Find(addr uint64) int {
	s := b.segment(addr)
	if s == nil || addr > s.end {
		return -1
	}
	if s.groups != nil {
		if k, inside := s.find(addr); inside {
			return s.first + k
		}
		return -1
	}
	k := s.before(addr)
	e := s.entries[k]
	if addr-s.base-uint64(e.off)*unit <= b.size(e, s.first+k) {
		return s.first + k
	}
	return -1
}

// Before returns the last block that begins at addr or before, or -1.
func (b *Blocks) Before(addr uint64) int {
	s := b.segment(addr)
	switch {
	case s == nil:
		return -1
	case addr >= s.end:
		return s.first + s.n - 1
	case s.groups != nil:
		k, _ := s.find(addr)
		return s.first + k
	}
	return s.first + s.before(addr)
}

// segment returns the last segment that begins at addr or before, or nil.
func (b *Blocks) segment(addr uint64) *segment {
	if len(b.bases) == 0 || addr < b.bases[0] {
		return nil
	}
	lo, n := 0, len(b.bases)
	for n > 1 {
		half := n / 2
		if b.bases[lo+half] <= addr {
			lo += half
		}
		n -= half
	}
	return &b.segments[lo]
}

// before returns the place of the last entry that begins at addr or before.
func (s *segment) before(addr uint64) int {
	off := (addr - s.base) / unit
	return sort.Search(len(s.entries), func(k int) bool { return uint64(s.entries[k].off) > off }) - 1
}

// Cursor goes through Blocks in the order of their addresses.
type Cursor struct {
	b *Blocks
	// i is the next block. It is in at unless that ends there.
	i, end int
	at     *segment
	// segment is the number of the next one.
	segment int
	units
}

// Cursor returns a Cursor before the first block.
func (b *Blocks) Cursor() Cursor { return Cursor{b: b} }

// Next returns the next block; ok is false at the end.
func (c *Cursor) Next() (x Block, ok bool) {
	if c.i == c.end {
		if c.i == c.b.n {
			return Block{}, false
		}
		c.at, c.units = &c.b.segments[c.segment], units{}
		c.segment++
		c.end = c.at.first + c.at.n
	}
	if s := c.at; s.groups != nil {
		first, last := c.next(s.groups)
		x = Block{s.base + uint64(first)*unit, uint64(last-first)*unit + unit/2}
	} else {
		x = c.b.block(s, c.i)
	}
	c.i++
	return x, true
}
