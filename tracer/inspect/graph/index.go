package graph

import (
	"math"
	"slices"
	"sort"

	"memtrace/tracer/inspect/census"
)

// index finds the blocks that pointers point to. It is several times faster than a search among all
// blocks, since a page has few of them.
type index struct {
	blocks *census.Blocks
	spans  []span
	// low and high hold all spans, high included.
	low, high uint64
	// latest is the span of the last pointer.
	latest *span
	// start has, by block, the distance of its address from its span's start.
	start []uint32
}

// span is a range that blocks are in.
type span struct {
	start, end uint64
	// pages has, by piece of the range, the first block that starts in it or behind it, and one
	// more. A piece has 1<<shift bytes.
	pages []uint32
	shift uint8
}

const (
	// maxSpan is the longest span with blocks in bytes: distances have 32 bits, of units of 8 bytes.
	maxSpan = 1 << 34
	// pageShift is the smallest piece.
	pageShift = 12
)

// newIndex indexes blocks. zones are the ranges that blocks are in, or may be allocated in later.
func newIndex(blocks *census.Blocks, zones []census.Range) *index {
	x := &index{blocks: blocks, start: make([]uint32, blocks.Len())}
	i, n := 0, blocks.Len()
	add := func(start, end uint64) {
		first := i
		for i < n && blocks.At(i).Addr < end {
			i++
		}
		x.add(start, end, first, i)
	}
	// A census should have no blocks outside of its heaps.
	stray := func(before uint64) {
		for i < n && blocks.At(i).Addr < before {
			b := blocks.At(i)
			add(b.Addr, b.Addr+max(min(b.Size, before-b.Addr, maxSpan), 1))
		}
	}
	for _, z := range joined(zones) {
		stray(z.Start)
		for z.Start < z.End {
			// A range without blocks may be of any length.
			end := z.End
			if i < n && blocks.At(i).Addr < end {
				if first := blocks.At(i).Addr; first-z.Start >= maxSpan {
					end = first
				} else if end-z.Start > maxSpan {
					end = z.Start + maxSpan
				}
			}
			add(z.Start, end)
			z.Start = end
		}
	}
	stray(math.MaxUint64)
	if len(x.spans) > 0 {
		x.low, x.high = x.spans[0].start, x.spans[len(x.spans)-1].end
		x.latest = &x.spans[0]
	}
	return x
}

// joined sorts ranges and joins those that overlap or touch. Empty ones are left out.
func joined(zones []census.Range) (list []census.Range) {
	zones = slices.Clone(zones)
	slices.SortFunc(zones, func(a, b census.Range) int {
		if a.Start < b.Start {
			return -1
		}
		return 1
	})
	for _, z := range zones {
		if z.End <= z.Start {
			continue
		}
		if last := len(list) - 1; last >= 0 && z.Start <= list[last].End {
			list[last].End = max(list[last].End, z.End)
			continue
		}
		list = append(list, z)
	}
	return list
}

// add adds a span that holds blocks [first, last). The end of the last block may be behind it.
func (x *index) add(start, end uint64, first, last int) {
	s := span{start: start, end: end, shift: pageShift}
	for (end-start)>>s.shift > uint64(2*(last-first)+16) {
		s.shift++
	}
	s.pages = make([]uint32, (end-start)>>s.shift+2)
	page := 0
	for i := first; i < last; i++ {
		off := x.blocks.At(i).Addr - start
		x.start[i] = uint32(off / 8)
		for ; page <= int(off>>s.shift); page++ {
			s.pages[page] = uint32(i)
		}
	}
	for ; page < len(s.pages); page++ {
		s.pages[page] = uint32(last)
	}
	x.spans = append(x.spans, s)
}

// find returns the block that a word points to, -1 if there is none. zone tells whether a block may
// have been allocated there since.
func (x *index) find(word uint64) (block int, zone bool) {
	if word-x.low > x.high-x.low || len(x.spans) == 0 {
		return -1, false
	}
	s := x.latest
	if word-s.start >= s.end-s.start {
		if s = x.span(word); s == nil {
			return -1, false
		}
		x.latest = s
	}
	off := word - s.start
	inside := word < s.end
	if !inside {
		off = s.end - s.start - 1
	}
	page := off >> s.shift
	from, to := s.pages[page], s.pages[page+1]
	unit := uint32((word - s.start) / 8)
	// The block is the last one that starts at the word or before it: from-1 or one in the page.
	for from < to {
		middle := (from + to) / 2
		if x.start[middle] <= unit {
			from = middle + 1
		} else {
			to = middle
		}
	}
	if from == 0 {
		return -1, inside
	}
	// Most pointers are to the start of a block.
	if b := int(from - 1); inside && x.start[b] == unit && word%8 == 0 && from > s.pages[page] {
		return b, true
	}
	b := x.blocks.At(int(from - 1))
	if word-b.Addr < b.Size {
		return int(from - 1), true
	}
	// A block that ends with a page has a mapping of its own. What begins there, such as a thread's
	// stack, is pointed to for its own sake.
	if word-b.Addr == b.Size && word%(1<<pageShift) != 0 {
		return int(from - 1), true
	}
	return -1, inside
}

// span returns the span that a word points into, or else to the end of, or nil.
func (x *index) span(word uint64) *span {
	i := sort.Search(len(x.spans), func(i int) bool { return x.spans[i].end > word })
	if i < len(x.spans) && x.spans[i].start <= word {
		return &x.spans[i]
	}
	if i > 0 && x.spans[i-1].end == word {
		return &x.spans[i-1]
	}
	return nil
}
