package ptmalloc

// merge is the search for a larger free chunk that a block has become part of.
type merge struct {
	block      int32
	start, end uint64
	hops       int
	fd, bk     uint64
	// outcome is the outcome of this reading; it is fits while the search continues.
	outcome outcome
	done    bool
}

type outcome uint8

const (
	// fits: the chunk before is free and ends where the block's chunk starts.
	fits outcome = iota
	// covered: a chunk in a bin reaches over the block.
	covered
	// unclear: neither is the case.
	unclear
)

// maxHops bounds how often the search moves on from a free chunk to a larger one that the
// chunk has become part of.
const maxHops = 4

// merged finds the blocks that were freed between two free chunks. malloc then writes the
// header of the first chunk and the size behind the last. The block's own header and the next
// one's stay as they are, and look like those of a block in use whose neighbour was freed.
//
// The chunk before such a block has a size that reaches over it. That alone proves nothing.
// While a thread frees a neighbour of a block in use, the size of the chunk before (prev_size)
// is, for a few instructions, whatever the user stored there, and the thread may be
// interrupted just then. So the larger chunk must be in a bin, its neighbours in the list must
// point back to it, its size must be repeated at its end, and all of that must hold twice. No
// remains of a chunk that was once in a bin look like that, because what the chunk pointed to
// has changed.
func (c *Checker) merged() {
	c.which = c.which[:0]
	for i := range c.blocks {
		v, b := &c.views[i], c.blocks[i]
		if c.verdicts[i].State == InUse && b.Header&IsMmapped == 0 && v.own&PrevInUse == 0 {
			c.which = append(c.which, int32(i))
		}
	}
	if len(c.which) == 0 {
		return
	}
	c.findMerges(c.views)
	again := c.which[:0]
	for i := range c.merges {
		if m := &c.merges[i]; m.outcome != fits {
			// This holds until it is confirmed.
			reason := Inconsistent
			if m.outcome == covered {
				reason = Merged
			}
			c.set(m.block, InUse, reason)
			again = append(again, m.block)
		}
	}
	if c.which = again; len(again) == 0 {
		return
	}
	c.look(c.again)
	c.findMerges(c.again)
	for i := range c.merges {
		m := &c.merges[i]
		first := c.verdicts[m.block].Reason
		switch {
		case m.outcome == covered && first == Merged:
			c.set(m.block, Free, Merged)
		case m.outcome != fits:
			c.set(m.block, Unknown, Inconsistent)
		default:
			c.set(m.block, InUse, None)
		}
	}
}

// findMerges follows the chunks before the selected blocks.
func (c *Checker) findMerges(views []view) {
	c.merges = c.merges[:0]
	for _, i := range c.which {
		v, chunk := &views[i], c.blocks[i].Address-chunkHeader
		m := merge{block: i, start: chunk - v.prevSize}
		switch size := v.prevSize; {
		case !v.ok || (v.own^c.blocks[i].Header)&^PrevInUse != 0 || v.own&PrevInUse != 0:
			m.done = true // it changed: the next check will tell
		case size < minChunk || size%alignment != 0 || size > chunk:
			m.outcome, m.done = unclear, true
		}
		c.merges = append(c.merges, m)
	}
	for range maxHops {
		if c.mergeStarts(views) == 0 {
			return
		}
		c.mergeEnds()
	}
	for i := range c.merges {
		if m := &c.merges[i]; !m.done {
			m.outcome, m.done = unclear, true
		}
	}
}

// mergeStarts reads the heads of the chunks that may reach over a block, and returns how many
// still may.
func (c *Checker) mergeStarts(views []view) (left int) {
	c.rd.reset()
	for i := range c.merges {
		if m := &c.merges[i]; !m.done {
			c.rd.ask(m.start, chunkBytes)
		}
	}
	c.rd.read()
	spans := c.rd.spans
	for i := range c.merges {
		m := &c.merges[i]
		if m.done {
			continue
		}
		s := &spans[0]
		spans = spans[1:]
		chunk := c.blocks[m.block].Address - chunkHeader
		head := Header(s.Word(chunkSize))
		m.end = m.start + head.Size()
		m.fd, m.bk = s.Word(chunkFd), s.Word(chunkBk)
		switch {
		case s.OK && m.hops == 0 && head.Size() == views[m.block].prevSize:
			m.done = true
		case !s.OK || !head.Plausible() || head&(PrevInUse|IsMmapped) != PrevInUse || m.end <= chunk || m.end >= userSpace:
			m.outcome, m.done = unclear, true
		default:
			left++
		}
	}
	return left
}

// mergeEnds reads what follows those chunks and what they are linked to.
func (c *Checker) mergeEnds() {
	c.rd.reset()
	for i := range c.merges {
		if m := &c.merges[i]; !m.done {
			c.rd.ask(m.end, chunkHeader)
			c.rd.ask(m.fd+chunkBk, 8)
			c.rd.ask(m.bk+chunkFd, 8)
		}
	}
	c.rd.read()
	spans := c.rd.spans
	for i := range c.merges {
		m := &c.merges[i]
		if m.done {
			continue
		}
		end, fd, bk := &spans[0], &spans[1], &spans[2]
		spans = spans[3:]
		size := end.Word(0)
		switch {
		case !end.OK || Header(end.Word(chunkSize))&PrevInUse != 0 || size%alignment != 0 || size > m.end:
			m.outcome, m.done = unclear, true
		case size > m.end-m.start:
			m.start, m.hops = m.end-size, m.hops+1
		case size == m.end-m.start && fd.OK && bk.OK && fd.Word(0) == m.start && bk.Word(0) == m.start:
			m.outcome, m.done = covered, true
		default:
			m.outcome, m.done = unclear, true
		}
	}
}
