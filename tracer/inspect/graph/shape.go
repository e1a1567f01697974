package graph

import (
	"encoding/binary"
	"math/bits"
)

// Shape says what a structure looks like.
type Shape uint8

// These are the shapes of structures.
const (
	// Mixed is what looks like none of the others.
	Mixed Shape = iota
	List
	Array
	Tree
	HashTable
)

func (s Shape) String() string {
	names := [...]string{"mixed", "list", "array", "tree", "hash table"}
	if int(s) < len(names) {
		return names[s]
	}
	return names[0]
}

const (
	// wide is how many blocks a block reaches first that looks like an array.
	wide = 16
	// longChain is how many blocks hang on a slot of a hash table at most, on average.
	longChain = 32
	// longItem is how many blocks an item of a list has at most.
	longItem = 64
	// maxSample is how many blocks are looked at for links between blocks of a kind.
	maxSample = 1 << 19
	// maxHoled is for how many roots, those that hold the most, the widest block is read, and
	// mostSlotBytes how much of all these.
	maxHoled, mostSlotBytes = 256, 32 << 20
	// fewest is the fewest blocks that have a shape.
	fewest = 8
)

// fans notes how many blocks a node was the first to reach.
func (h *holding) fans(node, children uint32) {
	if children >= wide {
		h.fanned += uint64(children)
	}
	if children > h.fan {
		h.fan, h.fanNode = children, node
	}
}

// shape judges by whether blocks point to others of their kind, where they hang (on wide blocks or
// not), and how deep it all is: a list is about as deep as it has blocks, a balanced tree some twice
// the logarithm of that (a red-black tree's bound), and a hash table as its longest chain.
func (h *holding) shape() Shape {
	if h.blocks < fewest {
		return Mixed
	}
	// widest is how many blocks the widest of all leads to.
	fanned, widest := h.fanned, uint64(h.fan)
	if h.direct >= wide {
		fanned, widest = fanned+h.direct, max(widest, h.direct)
	}
	levels := uint64(bits.Len64(h.blocks))
	linked := h.links*10 >= h.sampled && h.links > 0
	switch {
	case linked && widest >= wide && widest*longChain >= h.blocks:
		return HashTable
	case linked && uint64(h.depth) > 4*levels && uint64(h.depth)*longItem >= h.blocks:
		return List
	case linked && widest >= wide && 4*widest*uint64(h.depth) >= h.blocks:
		return HashTable // with long chains
	case fanned*6 >= h.blocks && h.holes:
		return HashTable
	case fanned*6 >= h.blocks:
		return Array
	case linked && uint64(h.depth) <= 8*levels:
		return Tree
	}
	return Mixed
}

// shapes takes the samples that shapes are judged by.
func (m *marking) shapes() {
	g := m.g
	step := max(len(g.holder)/maxSample, 1)
	var pointers []uint32
	for i := 0; i < len(g.holder); i += step {
		holder := g.HolderOf(i)
		if holder < 0 {
			continue
		}
		h := &g.held[holder]
		h.sampled++
		pointers = pointers[:0]
		m.scan.edges.of(uint32(i), func(to uint32) bool {
			pointers = append(pointers, to)
			return len(pointers) < wide
		})
		if len(pointers) == wide {
			continue // an array of whatever
		}
		for _, to := range pointers {
			if g.HolderOf(int(to)) == holder && g.alike(i, int(to)) {
				h.links++
				break
			}
		}
	}
	left := uint64(mostSlotBytes)
	for _, r := range g.largest(maxHoled) {
		h := &g.held[r]
		m.root = r
		switch {
		case h.direct >= wide && h.direct >= uint64(h.fan) && h.direct*6 >= h.blocks && h.to > h.from:
			_, h.slots = m.slots(h.from, h.to-h.from, &left)
		case h.fan >= wide && h.fanNode != none && uint64(h.fan)*6 >= h.blocks && int(h.fanNode) < len(g.holder):
			b := g.Census.Blocks.At(int(h.fanNode))
			h.holes, h.slots = m.slots(b.Addr, b.Size, &left)
		}
	}
}

// alike reports whether two blocks seem to be of one kind.
func (g *Graph) alike(a, b int) bool {
	return g.KindOf(a) == g.KindOf(b) && g.Census.Blocks.At(a).Size == g.Census.Blocks.At(b).Size
}

// slots counts the words of an array. holes reports whether there are other words between its pointers,
// mostly zeros, as in a hash table. Free space at the end of an array is no hole. An array of which
// not all could be read has no Slots.
func (m *marking) slots(addr, size uint64, left *uint64) (holes bool, s Slots) {
	const enough = 256 << 10
	whole := size <= *left
	if !whole {
		size = min(size, enough)
	}
	*left -= min(size, *left)
	pointers, gaps, zeros, read := uint64(0), uint64(0), uint64(0), uint64(0)
	readThere(m.walker, addr, addr+size, m.buf, func(_ uint64, piece []byte) {
		read += uint64(len(piece)) &^ 7
		for ; len(piece) >= 8; piece = piece[8:] {
			word := binary.LittleEndian.Uint64(piece)
			if word == 0 {
				zeros++
				continue
			}
			pointers++
			gaps += zeros
			s.Empty += zeros
			zeros = 0
			if word-m.index.low <= m.index.high-m.index.low {
				if block, _ := m.index.find(word); block >= 0 {
					s.Taken++
				}
			}
		}
	})
	// Pages that are not there are zeros.
	s.Addr, s.Size, s.Empty = addr, size, s.Empty+zeros+(size-min(read, size))/8
	if !whole {
		s = Slots{}
	}
	return gaps*20 >= pointers, s
}
