package graph

import (
	"encoding/binary"
	"math/bits"
)

// edges are the pointers that blocks have, in 1 to 5 bytes each. They are written in the order of the
// blocks.
//
// A pointer is how far its block's number is from that of the pointer before it, or for the first one
// from the number of the block that has it: most blocks point to others that were allocated about
// then. The lowest bit says that it is not the first one of its block.
type edges struct {
	parts [][]byte
	// starts has, by groups of edgeGroup blocks, the place of the first pointer. A place is the
	// number of a part and the offset in it.
	starts []uint32
	// has has a bit for each block that has pointers.
	has []uint64
	// n is how many there are, most how many bytes they may take, and full whether there were more.
	n    int
	most uint64
	full bool
	// block is the one whose pointers are being written, and last what the next one is told from.
	block int
	last  uint32
}

const (
	edgeGroup = 8
	partBits  = 18
	partBytes = 1 << partBits
	// mostParts is how many parts places can tell apart: 4 GB of them.
	mostParts = 1 << (32 - partBits)
	mostWidth = 5 // bytes of a pointer
)

func newEdges(blocks int, most uint64) *edges {
	return &edges{starts: make([]uint32, 0, blocks/edgeGroup+1), has: make([]uint64, blocks/64+1), most: most, block: -1}
}

// begin begins the pointers of a block, which comes behind those before.
func (e *edges) begin(block int) {
	for len(e.starts) <= block/edgeGroup {
		e.starts = append(e.starts, e.place())
	}
	e.block, e.last = block, uint32(block)
}

// place is where the next pointer comes.
func (e *edges) place() uint32 {
	n := len(e.parts)
	if n == 0 {
		return 0
	}
	return uint32((n-1)<<partBits + len(e.parts[n-1]))
}

// add adds a pointer of the block.
func (e *edges) add(to uint32) {
	follows := e.has[e.block/64] >> (e.block % 64) & 1
	if follows != 0 && to == e.last {
		return // arrays often have the same pointer over and over
	}
	n := len(e.parts)
	if n == 0 || len(e.parts[n-1])+mostWidth > partBytes {
		if n == mostParts || uint64(n)*partBytes >= e.most {
			e.full = true
			return
		}
		e.parts = append(e.parts, make([]byte, 0, partBytes))
		n++
	}
	away := int64(to) - int64(e.last)
	e.parts[n-1] = binary.AppendUvarint(e.parts[n-1], uint64(away<<1^away>>63)<<1|follows)
	e.has[e.block/64] |= 1 << (e.block % 64)
	e.last = to
	e.n++
}

// finish ends the last block.
func (e *edges) finish(blocks int) { e.begin(blocks) }

// reader reads pointers from a place on.
type reader struct {
	parts [][]byte
	part  []byte
}

// peek returns the first byte of the next pointer, ok is false if there is none.
func (r *reader) peek() (b byte, ok bool) {
	for len(r.part) == 0 {
		if len(r.parts) == 0 {
			return 0, false
		}
		r.part, r.parts = r.parts[0], r.parts[1:]
	}
	return r.part[0], true
}

// next returns the next pointer, given from what it is told.
func (r *reader) next(from uint32) uint32 {
	v, n := binary.Uvarint(r.part)
	r.part = r.part[n:]
	v >>= 1
	return from + uint32(int64(v>>1)^-int64(v&1))
}

// skip passes the pointers of so many blocks that have some, up to the first one of another.
func (r *reader) skip(blocks int) {
	for {
		part, i := r.part, 0
		for i < len(part) {
			if part[i]&1 == 0 {
				if blocks--; blocks < 0 {
					r.part = part[i:]
					return
				}
			}
			for part[i] >= 0x80 {
				i++
			}
			i++
		}
		if len(r.parts) == 0 {
			r.part = nil
			return
		}
		r.part, r.parts = r.parts[0], r.parts[1:]
	}
}

// of calls f with the blocks that a block points to, until f returns false.
func (e *edges) of(block uint32, f func(to uint32) bool) {
	if e.has[block/64]>>(block%64)&1 == 0 {
		return
	}
	first := block / edgeGroup * edgeGroup
	start := e.starts[block/edgeGroup]
	r := reader{parts: e.parts[start>>partBits:]}
	r.part, r.parts = r.parts[0][start&(partBytes-1):], r.parts[1:]
	// A group is a part of a word.
	before := e.has[block/64] >> (first % 64) & (1<<(block-first) - 1)
	r.skip(bits.OnesCount64(before))
	to := block
	for _, ok := r.peek(); ok; {
		if to = r.next(to); !f(to) {
			return
		}
		b, more := r.peek()
		ok = more && b&1 != 0
	}
}
