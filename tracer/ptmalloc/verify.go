package ptmalloc

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// walkBytes is the most that Verify walks over in a call.
const walkBytes = 256 << 20

// walkTries is how often it tries to come to the end of a heap.
const walkTries = 4

// Walks counts what Verify has done since the Checker was made.
type Walks struct {
	// Complete walks of a heap came to its end, Failed ones did not, even when
	// repeated: the process changed it under them.
	Complete, Failed uint64
	// Skipped heaps were not walked, because all were too large for one call or
	// not to be read.
	Skipped uint64
	// Unconfirmed counts chunks with blocks inside that had changed when they were
	// looked at again, or were too many for one call.
	Unconfirmed uint64
	// Bytes is the size of the heaps that were walked.
	Bytes uint64
}

// Walks returns what Verify has done so far.
func (c *Checker) Walks() Walks { return c.walk.count }

// Verify finds the blocks that were freed, merged with others, and handed out
// again as part of a larger block that nobody has written to since: their own
// headers and the next ones' are left from before, and Check says InUse. It
// takes blocks with the verdicts of a Check and makes those Free that it finds.
//
// It goes over all chunks of each heap that has such blocks, by their sizes from
// the first chunk to the last, and looks for the blocks that are no chunks, a
// second time in those heaps where it finds some. A walk takes some 0.26 ms for a
// MB (BenchmarkVerify); of all heaps together it walks over 256 MiB in a call, and
// begins with another one each time. It may wait for some 50 ms in all.
//
// Why no block in use is called free. Suppose one is. It was a chunk all the
// time, and no chunk before it had a size beyond it: so both walks must have left
// the chunks, gone by words that are left from old ones or that a user wrote, and
// come back to the chunks, for each ends exactly where the heap does. A walk can
// leave the chunks
//
//   - where the next chunk is merged away after the size that leads there was
//     read. Both are read by one call that copies forwards, so that takes a merge
//     within nanoseconds, or where the kernel takes the processor away. Among the
//     last confirmLinks chunks confirm notices it: it reads all of them again in
//     some microseconds, forwards and backwards, and the chunk that grew has
//     another size by then. To pass, it must be freed, split, and get the same
//     words from its user between two of these readings. Further back, both walks,
//     milliseconds apart, must meet with such a merge and then follow more than
//     confirmLinks plausible words, behind which there is no chunk, to the same
//     chunk of the same size.
//   - where a thread was stopped in the middle of splitting a chunk, when the
//     first part has its size and the second has none yet. (All else that malloc
//     does to sizes it does by one store, or the walk ends behind the top.) It
//     holds the arena's mutex then, which confirm wants to be free. A process of
//     one thread takes no mutex: movedOn sees to it that it does not stand at the
//     same instruction in both walks. Once it is past, the second part has its
//     size, and what the first walk saw is gone.
//
// An error means the same as Check's.
func (c *Checker) Verify(blocks []Block, verdicts []Verdict) error {
	if len(blocks) != len(verdicts) {
		return fmt.Errorf("verify %d blocks: there are %d verdicts", len(blocks), len(verdicts))
	}
	if c.h.Layout.ArenaError != nil {
		return nil
	}
	return c.judge(blocks, verdicts, c.verify)
}

func (c *Checker) verify() error {
	if err := c.readArenas(); err != nil {
		return err
	}
	w := &c.walk
	c.sortBlocks()
	c.findHeaps()
	w.covers = resized(w.covers, len(c.blocks))
	clear(w.covers)
	w.again = resized(w.again, len(c.blocks))
	clear(w.again)
	left, suspects := uint64(walkBytes), false
	w.confirms, w.waits = 0, 0
	for i := range w.heaps {
		// Whatever does not fit comes first in one of the next calls.
		h := &w.heaps[(i+w.turn)%len(w.heaps)]
		if h.end-h.first > left {
			w.count.Skipped++
			h.blocks = nil
			continue
		}
		left -= h.end - h.first
		h.blocks = c.suspects(h, w.covers)
		suspects = suspects || len(h.blocks) > 0
	}
	w.turn++
	if !suspects {
		return nil
	}
	if err := c.h.alive(); err != nil {
		return err
	}
	if !c.between() {
		return nil
	}
	w.confirms, w.waits = 0, 0
	for i := range w.heaps {
		h := &w.heaps[i]
		if len(h.blocks) == 0 {
			continue
		}
		for _, block := range c.suspects(h, w.again) {
			if w.covers[block] == w.again[block] {
				c.set(block, Free, Inside)
			}
		}
	}
	return nil
}

// sortBlocks puts those that Verify is about in the order of their addresses.
func (c *Checker) sortBlocks() {
	c.which = c.which[:0]
	for i, b := range c.blocks {
		if v := c.verdicts[i]; v.State != Free && v.Reason != NotAChunk && c.heapOf(b) != 0 {
			c.which = append(c.which, int32(i))
		}
	}
	slices.SortFunc(c.which, func(a, b int32) int { return cmp.Compare(c.blocks[a].Address, c.blocks[b].Address) })
}

// heapOf returns where the heap starts that a block is in, 0 if it is in none.
func (c *Checker) heapOf(b Block) uint64 {
	chunk, t := b.Address-chunkHeader, &c.tops
	switch {
	case b.Address%alignment != 0 || b.Header&IsMmapped != 0:
		return 0
	case b.Header&NonMainArena == 0:
		if t.base != 0 && chunk >= t.base && chunk < t.main.Start {
			return t.base
		}
		return 0
	case t.heapSize == 0:
		return 0
	}
	return chunk &^ (t.heapSize - 1)
}

// findHeaps makes a list of the heaps that the sorted blocks are in.
func (c *Checker) findHeaps() {
	w := &c.walk
	w.heaps = w.heaps[:0]
	for rest := c.which; len(rest) > 0; {
		start := c.heapOf(c.blocks[rest[0]])
		n := 1
		for n < len(rest) && c.heapOf(c.blocks[rest[n]]) == start {
			n++
		}
		if h := c.heapAt(start); h.first != 0 {
			h.blocks = rest[:n]
			w.heaps = append(w.heaps, h)
		} else {
			w.count.Skipped++
		}
		rest = rest[n:]
	}
}

// heapAt reads what a heap's start says of it. Its first chunk is at 0 if that is
// no heap.
func (c *Checker) heapAt(start uint64) chunkHeap {
	t, l := &c.tops, &c.h.Layout.arena
	if start == t.base {
		arena := t.addrs[0]
		return chunkHeap{arena: arena, top: arena + l.top, main: true, first: start, end: t.main.Start}
	}
	c.rd.reset()
	c.rd.ask(start, heapInfoWords*8)
	c.rd.read()
	info := &c.rd.spans[0]
	if !info.OK {
		return chunkHeap{}
	}
	arena, size := info.Word(heapArena), info.Word(heapBytes)
	if !t.known[arena] || arena == t.addrs[0] || size > t.heapSize {
		return chunkHeap{}
	}
	h := chunkHeap{arena: arena, top: arena + l.top, start: start, end: start + size}
	if arena&^(t.heapSize-1) == start {
		h.first = (arena + l.size() + alignment - 1) &^ (alignment - 1)
	} else {
		// Behind a heap_info as large as the one that the arena is behind.
		h.first = start + arena%t.heapSize
	}
	if h.first >= h.end {
		return chunkHeap{}
	}
	return h
}

// suspects walks over a heap and returns which of its blocks, now first in the
// same slice, lie within chunks.
func (c *Checker) suspects(h *chunkHeap, covers []passedChunk) []int32 {
	w := &c.walk
	for range walkTries {
		if !c.walkHeap(h, covers) {
			time.Sleep(waitTime) // a thread may have lost its processor in malloc
			continue
		}
		w.count.Complete++
		w.count.Bytes += h.end - h.first
		found := h.blocks[:0]
		for _, i := range h.blocks {
			if covers[i] != (passedChunk{}) {
				found = append(found, i)
			}
		}
		return found
	}
	w.count.Failed++
	return nil
}
