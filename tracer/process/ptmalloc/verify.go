package ptmalloc

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// walkBytes is the most that Verify walks over in one call.
const walkBytes = 256 << 20

// walkTries is how often Verify tries to reach the end of a heap.
const walkTries = 4

// Walks counts what Verify has done since the Checker was made.
type Walks struct {
	// Complete walks reached the end of a heap. Failed ones did not, even when repeated,
	// because the process kept changing it.
	Complete, Failed uint64
	// Skipped heaps were not walked, because the heaps were too large for one call or this one
	// could not be read.
	Skipped uint64
	// Unconfirmed counts chunks with blocks inside that had changed when they were read again,
	// or were too many for one call.
	Unconfirmed uint64
	// Bytes is the total size of the heaps that were walked.
	Bytes uint64
}

// Walks returns what Verify has done so far.
func (c *Checker) Walks() Walks { return c.walk.count }

// Verify finds the blocks that were freed, merged with others, and handed out again as part of
// a larger block that nobody has written to since. Their own headers and the next ones are
// left over from before, so Check says InUse. Verify takes blocks with the verdicts of a Check
// and sets those it finds to Free.
//
// It goes over all chunks of each heap with such blocks, by their sizes from the first chunk
// to the last, and looks for blocks that are not chunks. In heaps where it finds some, it does
// so a second time. A walk takes about 0.26 ms for each MB (BenchmarkVerify). One call walks
// over at most 256 MiB of all heaps together and starts with a different heap each time. It
// may wait for about 50 ms in all.
//
// Why is no block in use called free? Suppose one is. It was a chunk all the time, and no
// chunk before it had a size beyond it. So both walks must have left the chunks, followed
// words left over from old chunks or written by a user, and come back to the chunks, since
// each walk ends exactly where the heap does. A walk can leave the chunks
//
//   - if the next chunk is merged away after the size that leads to it was
//     read. One call reads both and copies forwards, so the merge must come
//     within nanoseconds, or just where the kernel takes the processor away.
//     Among the last confirmLinks chunks confirm notices it. It reads them all
//     again within microseconds, forwards and backwards, and by then the chunk
//     that grew has another size. To pass, it must be freed, split, and get the
//     same words from its user between two of these readings. Further back,
//     both walks, milliseconds apart, must meet such a merge and then follow
//     more than confirmLinks plausible words, behind which there is no chunk,
//     to the same chunk of the same size.
//   - if a thread was stopped in the middle of splitting a chunk, when the
//     first part has its size and the second has none yet. (Everything else
//     that malloc does to sizes is a single store, or the walk ends beyond the
//     top.) The thread then holds the arena's mutex, which confirm requires to
//     be free. A process of one thread takes no mutex; movedOn makes sure that
//     it does not stand at the same instruction in both walks. Once it is past
//     that instruction, the second part has its size, and what the first walk
//     saw is gone.
//
// Errors mean the same as those of Check.
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
		// What does not fit comes first in one of the next calls.
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

// sortBlocks selects the blocks that Verify is about, in order of address.
func (c *Checker) sortBlocks() {
	c.which = c.which[:0]
	for i, b := range c.blocks {
		if v := c.verdicts[i]; v.State != Free && v.Reason != NotAChunk && c.heapOf(b) != 0 {
			c.which = append(c.which, int32(i))
		}
	}
	slices.SortFunc(c.which, func(a, b int32) int { return cmp.Compare(c.blocks[a].Address, c.blocks[b].Address) })
}

// heapOf returns the start of the heap that holds a block, or 0 if none does.
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

// findHeaps lists the heaps that hold the sorted blocks.
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

// heapAt reads the header of the heap at start. In the result, first is 0 if that is not a
// heap.
func (c *Checker) heapAt(start uint64) chunkHeap {
	t, l := &c.tops, &c.h.Layout.arena
	if start == t.base {
		arena := t.addrs[0]
		return chunkHeap{arena: arena, top: arena + l.top, main: true, first: start, end: t.main.Start}
	}
	c.rd.reset()
	if t.heapSize == 0 {
		return chunkHeap{}
	}
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
		// The first chunk follows a heap_info as large as the one before the arena.
		h.first = start + arena%t.heapSize
	}
	if h.first >= h.end {
		return chunkHeap{}
	}
	return h
}

// suspects walks over a heap and returns those of its blocks that lie within chunks. They are
// moved to the front of the same slice.
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
