package graph

import (
	"context"
	"encoding/binary"

	"memtrace/tracer/inspect/census"
	"memtrace/tracer/inspect/kinds"
)

// scan reads the contents of all blocks: it hashes them and notes their pointers.
type scan struct {
	ctx    context.Context
	g      *Graph
	index  *index
	kinds  *kinds.Namer
	blocks int
	visits int
	// current is the block that is being read, and hash that of its words so far.
	current int
	hash    uint64
	edges   *edges

	// late are words that point to where no block was, by the block that has them.
	late []lateWord
	// hasLate has a bit for each block that has such words.
	hasLate []uint64
	// full: there were more of them than could be kept.
	full bool
	// hashed gets the hashes.
	hashed func(first int, hashes []uint32)
}

// lateWord is a word of a block that may point to one that came after the census.
type lateWord struct {
	word uint64
	from uint32
}

const (
	// maxLateWords bounds the words that are kept for later, at 16 bytes each. Most of them point
	// to blocks that were freed.
	maxLateWords = 1 << 20
	// checkEvery is how many visits there are between two looks at the context.
	checkEvery = 1 << 12
)

func newScan(ctx context.Context, g *Graph, x *index, cfg Config) *scan {
	n := g.Census.Blocks.Len()
	most := cfg.MaxBytes
	if most == 0 {
		most = mostParts * partBytes
	}
	return &scan{
		ctx: ctx, g: g, index: x, kinds: g.kinds, blocks: n, current: -1, edges: newEdges(n, most),
		hasLate: make([]uint64, n/64+1), hashed: cfg.Hashed,
	}
}

// visit takes a piece of a block's content. Blocks come in order.
func (s *scan) visit(i int, off uint64, content []byte) {
	if s.visits++; s.visits%checkEvery == 0 && s.ctx.Err() != nil {
		s.current = s.blocks // nothing counts any more
	}
	if i < max(s.current, 0) || i >= s.blocks {
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
		s.kind(i, s.kinds.Of(words[:n]))
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
		s.edges.add(uint32(to))
	case zone && !s.g.still:
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

// kind notes the kind of a block.
func (s *scan) kind(i int, kind kinds.ID) {
	if kind == 0 && s.g.kind == nil {
		return
	}
	if s.g.kind == nil {
		s.g.kind = make([]kinds.ID, s.blocks)
	}
	s.g.kind[i] = kind
}

// next ends the block that was read, and begins block i. The content of those between is not there,
// which counts as nothing but zeros.
func (s *scan) next(i int) {
	for ; s.current < i; s.current++ {
		if s.current >= 0 {
			s.add(uint32(s.hash))
		}
		s.hash = 0
	}
	s.edges.begin(i)
}

// add notes the hash of the next block.
func (s *scan) add(hash uint32) {
	if page := s.g.Hash.Add(hash); page != nil && s.hashed != nil {
		s.hashed((s.g.Hash.Pages()-1)*census.HashPage, page)
	}
}

// finish is called when all blocks were read.
func (s *scan) finish() {
	s.next(s.blocks)
	if last := s.g.Hash.Pages() - 1; s.hashed != nil && last >= 0 && len(s.g.Hash.Page(last)) < census.HashPage {
		s.hashed(last*census.HashPage, s.g.Hash.Page(last))
	}
	s.g.Pointers = s.edges.n
}
