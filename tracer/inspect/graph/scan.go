package graph

import (
	"context"
	"encoding/binary"
	"math"

	"memtrace/tracer/inspect/kinds"
)

// scan reads the contents of all blocks: it hashes them and notes their pointers.
type scan struct {
	ctx    context.Context
	g      *Graph
	index  *index
	kinds  *kinds.Namer
	visits int
	// current is the block that is being read, and hash that of its words so far.
	current int
	hash    uint64
	// full: there were more pointers than could be kept.
	full bool

	// first has, by block, the index of its first pointer, and one more. pointers are the blocks
	// that are pointed at.
	first    []uint32
	pointers list

	// late are words that point to where no block was, by the block that has them.
	late []lateWord
	// hasLate has a bit for each block that has such words.
	hasLate []uint64
}

// lateWord is a word of a block that may point to one that came after the census.
type lateWord struct {
	word uint64
	from uint32
}

const (
	// maxPointers bounds the pointers that are kept: 16 GB of them.
	maxPointers = math.MaxUint32
	// maxLateWords bounds the words that are kept for later, at 16 bytes each. Most of them point
	// to blocks that were freed.
	maxLateWords = 1 << 20
	// checkEvery is how many visits there are between two looks at the context.
	checkEvery = 1 << 12
)

func newScan(ctx context.Context, g *Graph, x *index) *scan {
	n := g.Census.Blocks.Len()
	g.Hash, g.Kind = make([]uint32, n), make([]kinds.ID, n)
	return &scan{ctx: ctx, g: g, index: x, kinds: g.kinds, current: -1, first: make([]uint32, n+1), hasLate: make([]uint64, n/64+1)}
}

// visit takes a piece of a block's content. Blocks come in order.
func (s *scan) visit(i int, off uint64, content []byte) {
	if s.visits++; s.visits%checkEvery == 0 && s.ctx.Err() != nil {
		s.current = len(s.g.Hash) // nothing counts any more
	}
	if i < max(s.current, 0) || i >= len(s.g.Hash) {
		return
	}
	if i > s.current {
		s.next(i)
	}
	if off == 0 && s.kinds != nil {
		var words [kinds.Words]uint64
		n := 0
		for ; n < len(words) && 8*n+8 <= len(content); n++ {
			words[n] = binary.LittleEndian.Uint64(content[8*n:])
		}
		s.g.Kind[i] = s.kinds.Of(words[:n])
	}
	s.words(uint32(i), off, content)
}

// words goes through the words of a piece. Those that are 0 count neither as pointers nor in the
// hash, so that it does not matter whether a page of zeros is there.
func (s *scan) words(i uint32, off uint64, content []byte) {
	low, length := s.index.low, s.index.high-s.index.low
	hash := s.hash
	for ; len(content) >= 8; content = content[8:] {
		word := binary.LittleEndian.Uint64(content)
		if word != 0 {
			hash = mixed(hash, word, off)
			if word-low <= length {
				s.pointer(i, word)
			}
		}
		off += 8
	}
	s.hash = hash
}

// mixed adds a word at an offset to a hash. The multipliers are odd constants of the golden ratio
// and of MurmurHash3.
func mixed(hash, word, off uint64) uint64 {
	hash = (hash ^ word ^ off*0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd
	return hash ^ hash>>32
}

// pointer notes a word of block i that may be a pointer.
func (s *scan) pointer(i uint32, word uint64) {
	to, zone := s.index.find(word)
	switch {
	case to == int(i):
	case to >= 0:
		// Arrays often have the same pointer over and over.
		if last, ok := s.pointers.last(s.first[i]); ok && last == uint32(to) {
			return
		}
		if s.pointers.n >= maxPointers {
			s.full = true
			return
		}
		s.pointers.add(uint32(to))
	case zone:
		if last := len(s.late) - 1; last >= 0 && s.late[last] == (lateWord{word, i}) {
			return
		}
		if len(s.late) >= maxLateWords {
			s.full = true
			return
		}
		s.late = append(s.late, lateWord{word, i})
		s.hasLate[i/64] |= 1 << (i % 64)
	}
}

// next begins block i.
func (s *scan) next(i int) {
	s.end()
	for s.current < i {
		s.current++
		s.first[s.current] = uint32(s.pointers.n)
	}
	s.hash = 0
}

// end stores the hash of the block that was read.
func (s *scan) end() {
	if s.current >= 0 && s.current < len(s.g.Hash) {
		s.g.Hash[s.current] = uint32(s.hash)
	}
}

// finish is called when all blocks were read.
func (s *scan) finish() {
	s.next(len(s.g.Hash))
	s.g.Pointers = s.pointers.n
	if s.full {
		s.g.skip(0, 0, "more pointers than can be followed")
	}
}
