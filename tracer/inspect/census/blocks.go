package census

import (
	"cmp"
	"math/bits"
	"slices"
)

// Blocks are blocks in use, sorted by address. They take 9 to 10 bytes each. Their addresses are
// multiples of 16, as malloc's are. They are safe for concurrent use.
type Blocks struct {
	pages [][]entry
	n     int
	// huge are the sizes that do not fit an entry, by block.
	huge    map[int]uint64
	regions []region
	// starts are the regions' bases, hints the region of every hintBlocks-th block.
	starts []uint64
	hints  []int32
}

// entry is a block: its distance from the region's base in units of 16 bytes, and its size in
// bytes, or isHuge.
type entry struct{ off, size uint32 }

const (
	unit       = 16
	isHuge     = ^uint32(0)
	pageBlocks = 1 << 16
	hintBlocks = 1 << 12
	// maxGap is the largest gap between two blocks of a region, mostSpan the most that entries can
	// reach, in bytes.
	maxGap, mostSpan = 1 << 20, 1 << 36
	// perSlot is how many blocks a slot of an index has at least, on average.
	perSlot = 2
)

// region is blocks close to one another.
type region struct {
	base, end uint64 // of the first block, and behind the last one
	first, n  int
	// index has, for each piece of 1<<shift bytes, how many blocks begin before it.
	shift uint8
	index []uint32
}

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

// At returns block i.
func (b *Blocks) At(i int) Block {
	lo, hi := int(b.hints[i/hintBlocks]), int(b.hints[i/hintBlocks+1])
	for lo < hi { // the last region that begins at i or before
		mid := (lo + hi + 1) / 2
		if b.regions[mid].first <= i {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return b.block(&b.regions[lo], i)
}

// block returns block i, which is in region r.
func (b *Blocks) block(r *region, i int) Block {
	e := b.entry(i)
	size := uint64(e.size)
	if e.size == isHuge {
		size = b.huge[i]
	}
	return Block{r.base + uint64(e.off)*unit, size}
}

func (b *Blocks) entry(i int) entry { return b.pages[uint(i)/pageBlocks][uint(i)%pageBlocks] }

// Find returns the block that addr points into, or to the end of (one past its last byte), or -1.
func (b *Blocks) Find(addr uint64) int {
	i, r := b.before(addr)
	if i < 0 || addr > r.end {
		return -1
	}
	e := b.entry(i)
	off := addr - r.base - uint64(e.off)*unit
	if off <= uint64(e.size) && e.size != isHuge || e.size == isHuge && off <= b.huge[i] {
		return i
	}
	return -1
}

// before returns the last block that begins at addr or before, and its region, or -1.
func (b *Blocks) before(addr uint64) (int, *region) {
	if len(b.starts) == 0 || addr < b.starts[0] {
		return -1, nil
	}
	lo, n := 0, len(b.starts)
	for n > 1 {
		half := n / 2
		if b.starts[lo+half] <= addr {
			lo += half
		}
		n -= half
	}
	r := &b.regions[lo]
	slot := (addr - r.base) >> r.shift
	if slot+1 >= uint64(len(r.index)) {
		return r.first + r.n - 1, r
	}
	first, last := r.first+int(r.index[slot]), r.first+int(r.index[slot+1])
	for off := uint32((addr - r.base) / unit); first < last; {
		mid := int(uint(first+last) / 2)
		if b.entry(mid).off <= off {
			first = mid + 1
		} else {
			last = mid
		}
	}
	return first - 1, r
}

// builder makes Blocks of blocks in the order of their addresses.
type builder struct {
	b Blocks
	// last is the end of the last block, base the address of the first one of its region.
	last, base uint64
}

// add adds a block. It leaves out one that begins before the end of the last.
func (x *builder) add(addr, size uint64) {
	b := &x.b
	if addr < x.last || addr%unit != 0 || addr+size < addr {
		return
	}
	if addr-x.last > maxGap || addr-x.base >= mostSpan || b.n == 0 {
		b.regions = append(b.regions, region{base: addr, first: b.n})
		x.base = addr
	}
	at := uint(b.n) % pageBlocks
	if at == 0 {
		b.pages = append(b.pages, make([]entry, pageBlocks))
	}
	e := entry{uint32((addr - x.base) / unit), uint32(size)}
	if size >= uint64(isHuge) {
		if e.size = isHuge; b.huge == nil {
			b.huge = make(map[int]uint64)
		}
		b.huge[b.n] = size
	}
	b.pages[len(b.pages)-1][at] = e
	b.n++
	x.last = addr + size
}

func (x *builder) region() *region {
	if n := len(x.b.regions); n > 0 {
		return &x.b.regions[n-1]
	}
	return nil
}

// truncate takes back all but the first n blocks.
func (x *builder) truncate(n int) {
	b := &x.b
	for i := range b.huge {
		if i >= n {
			delete(b.huge, i)
		}
	}
	b.pages = b.pages[:(n+pageBlocks-1)/pageBlocks]
	for len(b.regions) > 0 && x.region().first >= n {
		b.regions = b.regions[:len(b.regions)-1]
	}
	if b.n, x.last, x.base = n, 0, 0; n > 0 {
		last := b.block(x.region(), n-1)
		x.last, x.base = last.Addr+last.Size, x.region().base
	}
}

// finish makes the indices.
func (x *builder) finish() *Blocks {
	b := &x.b
	if k := len(b.pages); k > 0 {
		b.pages[k-1] = slices.Clone(b.pages[k-1][:b.n-(k-1)*pageBlocks])
	}
	for i := range b.regions {
		r := &b.regions[i]
		r.n = b.n - r.first
		if i+1 < len(b.regions) {
			r.n = b.regions[i+1].first - r.first
		}
		b.starts = append(b.starts, r.base)
		b.makeIndex(r)
	}
	for i, at := 0, 0; i <= b.n+hintBlocks; i += hintBlocks {
		for at+1 < len(b.regions) && b.regions[at+1].first <= i {
			at++
		}
		b.hints = append(b.hints, int32(at))
	}
	return b
}

// makeIndex makes the index of a region, with a slot for every perSlot blocks or so.
func (b *Blocks) makeIndex(r *region) {
	last := b.block(r, r.first+r.n-1)
	r.end = last.Addr + last.Size
	span := last.Addr - r.base
	r.shift = uint8(bits.Len64(span * perSlot / uint64(r.n)))
	r.index = make([]uint32, span>>r.shift+2)
	slot := uint64(0)
	for i := range r.n {
		for at := uint64(b.entry(r.first+i).off) * unit >> r.shift; slot < at; {
			slot++
			r.index[slot] = uint32(i)
		}
	}
	for slot++; slot < uint64(len(r.index)); slot++ {
		r.index[slot] = uint32(r.n)
	}
}
