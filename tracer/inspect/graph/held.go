package graph

import (
	"cmp"
	"slices"

	"memtrace/tracer/inspect/kinds"
)

// Held is what one root holds: the blocks that it reaches and no root before it.
type Held struct {
	Root          Root
	Blocks, Bytes uint64
	Shape         Shape
	// Depth is how many pointers lead from the root to the block that is farthest from it.
	Depth int
	// Slots is the array that most of it hangs on.
	Slots Slots
	// Of says what it is made of, the largest first.
	Of []KindSum
}

// Slots is an array of pointers: a block, or a variable. The zero Slots is none.
type Slots struct {
	Addr, Size uint64
	// Taken are the words that point to blocks, Empty those that are 0. Others are neither.
	Taken, Empty uint64
}

// KindSum is the blocks of one kind, or where that is not known of one size.
type KindSum struct {
	Kind kinds.ID
	// Size is that of the blocks, in bytes, 0 where Kind tells.
	Size          uint64
	Blocks, Bytes uint64
}

const (
	// maxOf is how many kinds are told of a root.
	maxOf = 8
	// maxDetailed is of how many roots kinds are told, those that hold the most.
	maxDetailed = 64
	// maxSizes is how many kinds and sizes are counted of a root. What comes later is left out.
	maxSizes = 1 << 12
)

// Holders returns what each root holds, the largest first, without what that is made of.
func (g *Graph) Holders() []Held {
	order := g.largest(len(g.held))
	list := make([]Held, len(order))
	for i, r := range order {
		h := &g.held[r]
		list[i] = Held{Root: g.Roots[r], Blocks: h.blocks, Bytes: h.bytes, Shape: h.shape(), Depth: int(h.depth), Slots: h.slots}
	}
	return list
}

// HeldBy returns what each root holds, the largest first.
func (g *Graph) HeldBy() []Held {
	list, order := g.Holders(), g.largest(len(g.held))
	place := make([]int32, len(g.held)) // in list, by root
	for i := range place {
		place[i] = -1
	}
	for i, r := range order[:min(len(order), maxDetailed)] {
		place[r] = int32(i)
	}
	sums := make([]summing, min(len(list), maxDetailed))
	blocks := g.Census.Blocks.Cursor()
	for i := range g.holder {
		b, _ := blocks.Next()
		if r := g.HolderOf(i); r >= 0 && place[r] >= 0 {
			sums[place[r]].add(g.KindOf(i), b.Size)
		}
	}
	for i := range sums {
		list[i].Of = sums[i].largest()
	}
	return list
}

// largest returns the indexes of the roots that hold blocks, at most so many, the largest first.
func (g *Graph) largest(most int) (order []int32) {
	for r := range g.held {
		if g.held[r].blocks > 0 {
			order = append(order, int32(r))
		}
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(g.held[b].bytes, g.held[a].bytes), cmp.Compare(g.held[b].blocks, g.held[a].blocks), cmp.Compare(a, b))
	})
	return order[:min(len(order), most)]
}

// summing counts blocks by kind.
type summing struct {
	index map[KindSum]int
	list  []KindSum
	last  int
}

func (s *summing) add(kind kinds.ID, size uint64) {
	key := KindSum{Kind: kind}
	if kind == 0 {
		key.Size = size
	}
	if s.last >= len(s.list) || s.list[s.last].Kind != key.Kind || s.list[s.last].Size != key.Size {
		if s.index == nil {
			s.index = make(map[KindSum]int)
		}
		i, ok := s.index[key]
		if !ok {
			if len(s.list) >= maxSizes {
				return
			}
			i = len(s.list)
			s.index[key] = i
			s.list = append(s.list, key)
		}
		s.last = i
	}
	s.list[s.last].Blocks++
	s.list[s.last].Bytes += size
}

func (s *summing) largest() []KindSum {
	slices.SortFunc(s.list, func(a, b KindSum) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Blocks, a.Blocks), cmp.Compare(a.Size, b.Size))
	})
	return slices.Clone(s.list[:min(len(s.list), maxOf)])
}
