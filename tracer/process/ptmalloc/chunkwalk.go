package ptmalloc

import (
	"encoding/binary"
	"os"
)

// chunkWalk is a walk over the chunks of a heap, and what Verify keeps for the next walk.
type chunkWalk struct {
	mem   memory
	heaps []chunkHeap
	// covers and again have, by block, the chunk in which the first and the second walk found
	// it.
	covers, again []passedChunk
	turn          int
	count         Walks

	// recent are the last chunks passed; chunk number n is at n modulo the length.
	recent [confirmLinks]passedChunk
	passed int
	// confirms is how often they were read again, waits how often that had to wait.
	confirms, waits int

	// buf holds the heap's memory from start on, where pages say that it was read. pages are
	// the spans after the first, which is the header of the previous chunk.
	buf    []byte
	spans  []span
	pages  []span
	start  uint64
	ahead  int
	before [8]byte
	limits [2]span
	// end is where the chunks end: at the top, or at the heap's end if the top is elsewhere.
	end, top uint64
}

// chunkHeap is a heap whose chunks are to be walked over: the main arena's range, or one heap
// of a thread's arena.
type chunkHeap struct {
	// arena is the address of the heap's malloc_state, and top the address of the pointer in
	// it to the last chunk.
	arena, top uint64
	main       bool
	// start is the address of the heap_info, first that of the first chunk, and end the end of
	// the memory, which in the main arena is the top.
	start, first, end uint64
	blocks            []int32 // by address
}

// passedChunk is a chunk and its header.
type passedChunk struct {
	chunk  uint64
	header Header
}

// same reports whether h is the chunk's header. It ignores PREV_INUSE, which belongs to the
// chunk before.
func (p *passedChunk) same(h Header) bool { return h|PrevInUse == p.header|PrevInUse }

// These are the offsets of ar_ptr and size in struct heap_info (arena.c), and the number of
// words that all versions have.
const (
	heapArena, heapBytes = 0, 16
	heapInfoWords        = 4
)

// These are the most and the least that is read at once, in bytes.
const (
	mostAhead  = 256 << 10
	leastAhead = 4 << 10
)

// walkHeap goes over a heap's chunks. For each of the heap's blocks it notes the chunk that
// the block lies within, or none if the block is a chunk itself. It returns false if it did
// not reach the end.
func (c *Checker) walkHeap(h *chunkHeap, covers []passedChunk) bool {
	w := &c.walk
	w.start, w.pages, w.ahead, w.passed = 0, nil, leastAhead/2, 0
	if !w.bounds(h) {
		return false
	}
	blocks := h.blocks
	for p, before := h.first, uint64(0); ; {
		at := w.at(p)
		if at == nil && w.fill(h, p) {
			at = w.at(p)
		}
		if at == nil {
			return false
		}
		prevSize, head := binary.LittleEndian.Uint64(at), Header(binary.LittleEndian.Uint64(at[chunkSize:]))
		size := head.Size()
		if p == w.top || size == fencepost {
			return p == w.top || w.atFence(h, p)
		}
		if !head.Plausible() || head&IsMmapped != 0 || h.main && head&NonMainArena != 0 ||
			head&PrevInUse == 0 && prevSize != before {
			return false
		}
		if size > w.end-p { // the end has moved, or this is not a chunk
			if !w.bounds(h) {
				return false
			}
			if p == w.top {
				return true
			}
			if p > w.end || size > w.end-p {
				return false
			}
		}
		w.recent[w.passed%confirmLinks] = passedChunk{p, head}
		w.passed++
		if len(blocks) > 0 && c.blocks[blocks[0]].Address-chunkHeader < p+size {
			blocks = c.pass(h, blocks, passedChunk{p, head}, covers)
		}
		p, before = p+size, size
	}
}

// pass notes which of the next blocks lie within a chunk, and returns the others.
func (c *Checker) pass(h *chunkHeap, blocks []int32, in passedChunk, covers []passedChunk) []int32 {
	var cover passedChunk
	asked := false
	for len(blocks) > 0 {
		i := blocks[0]
		chunk := c.blocks[i].Address - chunkHeader
		if chunk >= in.chunk+in.header.Size() {
			break
		}
		covers[i] = passedChunk{}
		if chunk > in.chunk {
			if !asked {
				asked = true
				if c.confirm(h) {
					cover = passedChunk{in.chunk, in.header &^ headerFlags}
				}
			}
			covers[i] = cover
		}
		blocks = blocks[1:]
	}
	return blocks
}

// at returns the memory from a chunk on, or nil if it has to be read first.
func (w *chunkWalk) at(p uint64) []byte {
	off := p - w.start
	if page := off / pageSize; page >= uint64(len(w.pages)) || !w.pages[page].OK {
		return nil
	}
	return w.buf[off:][:chunkHeader]
}

var pageSize = uint64(os.Getpagesize())

// fill reads the memory from a chunk's page on, as far as pages are there. The closer chunks
// follow one another, the more it reads at a time. It requires that the previous chunk is
// still unchanged.
func (w *chunkWalk) fill(h *chunkHeap, p uint64) bool {
	if !w.bounds(h) || p > w.end {
		return false
	}
	start := p &^ (pageSize - 1)
	if last := w.start + uint64(len(w.pages))*pageSize; start < last+mostAhead/4 {
		w.ahead = min(2*w.ahead, mostAhead)
	} else {
		w.ahead = leastAhead
	}
	if w.buf == nil {
		w.buf = make([]byte, max(mostAhead, pageSize))
	}
	// The top's header lies behind the end.
	count := min((uint64(w.ahead)+pageSize-1)/pageSize, (w.end+chunkHeader-start+pageSize-1)/pageSize)
	before := passedChunk{chunk: p}
	if w.passed > 0 {
		before = *w.last(1, 0)
	}
	w.spans = append(w.spans[:0], span{Addr: before.chunk + chunkSize, Buf: w.before[:]})
	for i := range count {
		w.spans = append(w.spans, span{Addr: start + i*pageSize, Buf: w.buf[i*pageSize:][:pageSize]})
	}
	w.start, w.pages = start, w.spans[1:]
	w.mem.Read(w.spans)
	return w.pages[0].OK && (w.passed == 0 || w.spans[0].OK && before.same(Header(w.spans[0].Word(0))))
}

// bounds reads again where the heap's chunks end.
func (w *chunkWalk) bounds(h *chunkHeap) bool {
	spans := w.limits[:]
	if spans[0].Buf == nil {
		spans[0].Buf, spans[1].Buf = make([]byte, 8), make([]byte, 8)
	}
	spans[0].Addr, spans[0].Own = h.top, h.main
	spans[1].Addr = h.start + heapBytes
	if h.main {
		spans = spans[:1]
	}
	w.mem.Read(spans)
	w.top = spans[0].Word(0)
	w.end = w.top
	if !h.main && (w.top < h.first || w.top >= h.end) {
		size := spans[1].Word(0)
		w.top, w.end = 0, h.start+size
		if !spans[1].OK || h.end < w.end || size%alignment != 0 {
			return false
		}
	}
	return spans[0].OK && w.end > h.first
}

// atFence reports whether a chunk is the mark at the end of a heap that the arena's top has
// left: a chunk of 16 bytes, followed by one of size 0 (sysmalloc).
func (w *chunkWalk) atFence(h *chunkHeap, p uint64) bool {
	last := w.at(p + fencepost)
	return !h.main && w.top == 0 && p+2*fencepost == w.end && last != nil &&
		Header(binary.LittleEndian.Uint64(last[chunkSize:])) == PrevInUse
}
