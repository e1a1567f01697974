package census

import "slices"

// builder makes Blocks of blocks in the order of their addresses.
type builder struct {
	b Blocks
	// open are the blocks of the last segment, which begins at base with block first.
	open  []entry
	base  uint64
	first int
	// irregular: some of them do not fit groups.
	irregular bool
	// last is the end of the last block, and kept that of the last one that was not left out.
	last, kept uint64
	// shift: one of 1<<shift blocks is kept.
	shift uint
}

// add adds a block, if it is in the sample. It leaves out one that begins before the end of the last.
func (x *builder) add(addr, size uint64) {
	b := &x.b
	if addr < x.last || addr%unit != 0 || addr+size < addr {
		return
	}
	if x.last = addr + size; x.shift > 0 && !sampled(addr, size, x.shift) {
		return
	}
	odd := !regular(size)
	if n := len(x.open); n == mostBlocks || n > 0 && addr-x.base >= mostSpan ||
		n >= fewBlocks && (addr-x.kept > maxGap || odd != x.irregular) {
		x.seal()
	}
	if len(x.open) == 0 {
		x.base, x.first = addr, b.n
	}
	e := entry{uint32((addr - x.base) / unit), uint32(size)}
	if size >= uint64(isHuge) {
		if e.size = isHuge; b.huge == nil {
			b.huge = make(map[int]uint64)
		}
		b.huge[b.n] = size
	}
	x.open = append(x.open, e)
	x.irregular = x.irregular || odd
	b.n++
	x.kept = x.last
}

// seal ends the last segment.
func (x *builder) seal() {
	if len(x.open) == 0 {
		return
	}
	s := segment{base: x.base, end: x.kept, first: x.first, n: len(x.open)}
	if !x.irregular {
		s.groups = compact(x.open)
	}
	if s.groups == nil {
		s.entries = slices.Clone(x.open)
	}
	x.b.segments = append(x.b.segments, s)
	x.open, x.irregular = x.open[:0], false
}

// truncate takes back all but the first n blocks.
func (x *builder) truncate(n int) {
	b := &x.b
	n = min(n, b.n)
	for n < b.n {
		if len(x.open) == 0 {
			x.reopen()
		}
		keep := max(n-x.first, 0)
		x.open = x.open[:keep]
		b.n = x.first + keep
	}
	for i := range b.huge {
		if i >= n {
			delete(b.huge, i)
		}
	}
	if len(x.open) == 0 && n > 0 {
		x.reopen()
	}
	x.kept, x.irregular = 0, false
	for i, e := range x.open {
		size := b.size(e, x.first+i)
		x.irregular = x.irregular || !regular(size)
		x.kept = x.base + uint64(e.off)*unit + size
	}
	x.last = x.kept
}

// reopen makes the last segment one that can be changed.
func (x *builder) reopen() {
	k := len(x.b.segments) - 1
	s := &x.b.segments[k]
	x.base, x.first = s.base, s.first
	if s.groups == nil {
		x.open = append(x.open[:0], s.entries...)
	} else {
		x.open = x.open[:0]
		var u units
		for range s.n {
			first, last := u.next(s.groups)
			x.open = append(x.open, entry{uint32(first), uint32(last-first)*unit + unit/2})
		}
	}
	x.b.segments = x.b.segments[:k]
}

// finish returns the Blocks.
func (x *builder) finish() *Blocks {
	x.seal()
	x.open = nil
	for i := range x.b.segments {
		x.b.bases = append(x.b.bases, x.b.segments[i].base)
	}
	return &x.b
}
