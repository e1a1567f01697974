package graph

import (
	"slices"
	"sort"

	"memtrace/tracer/inspect/census"
)

// index finds the blocks that pointers point to.
type index struct {
	blocks *census.Blocks
	// zones are the ranges that blocks are in, or may be allocated in later, by address. The last
	// block of one may end with it.
	zones []census.Range
	// low and high hold all zones, high included.
	low, high uint64
	// latest is the zone of the last pointer.
	latest *census.Range
}

// pageShift is the size of a page.
const pageShift = 12

// newIndex indexes blocks. zones are the ranges that blocks are in, or may be allocated in later.
func newIndex(blocks *census.Blocks, zones []census.Range) *index {
	x := &index{blocks: blocks, zones: joined(zones)}
	if known := x.known(); known < blocks.Len() {
		x.zones = joined(append(x.strays(), x.zones...))
	}
	if n := len(x.zones); n > 0 {
		x.low, x.high, x.latest = x.zones[0].Start, x.zones[n-1].End, &x.zones[0]
	}
	return x
}

// known is how many blocks are in the zones.
func (x *index) known() (n int) {
	for _, z := range x.zones {
		n += x.blocks.Before(z.End-1) - x.blocks.Before(z.Start-1)
	}
	return n
}

// strays returns ranges of the blocks that are in no zone. A census should have none.
func (x *index) strays() (list []census.Range) {
	i := 0
	for c := x.blocks.Cursor(); ; {
		b, ok := c.Next()
		if !ok {
			return list
		}
		for i < len(x.zones) && x.zones[i].End <= b.Addr {
			i++
		}
		if i == len(x.zones) || b.Addr < x.zones[i].Start {
			list = append(list, census.Range{Start: b.Addr, End: b.Addr + max(b.Size, 1)})
		}
	}
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

// find returns the block that a word points to, -1 if there is none. zone tells whether a block may
// be there, or have been allocated there since.
func (x *index) find(word uint64) (block int, zone bool) {
	if word-x.low > x.high-x.low || len(x.zones) == 0 {
		return -1, false
	}
	if z := x.latest; word-z.Start >= z.End-z.Start {
		if z = x.zone(word); z == nil {
			return -1, false
		}
		x.latest = z
	}
	block, zone = x.blocks.Find(word), word < x.latest.End
	// A block that ends with a page has a mapping of its own. What begins there, such as a thread's
	// stack, is pointed to for its own sake.
	if block >= 0 && word%(1<<pageShift) == 0 {
		if b := x.blocks.At(block); word-b.Addr == b.Size && b.Size > 0 {
			return -1, zone
		}
	}
	return block, zone || block >= 0
}

// zone returns the zone that a word points into, or else to the end of, or nil.
func (x *index) zone(word uint64) *census.Range {
	i := sort.Search(len(x.zones), func(i int) bool { return x.zones[i].End > word })
	if i < len(x.zones) && x.zones[i].Start <= word {
		return &x.zones[i]
	}
	if i > 0 && x.zones[i-1].End == word {
		return &x.zones[i-1]
	}
	return nil
}
