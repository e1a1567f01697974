package cohort

// perChunk is how many blocks a chunk has.
const perChunk = 1 << 14

// entry is what is kept of a block until the next look.
type entry struct {
	addr uint64
	hash uint32
	// group is its index in Tracker.groups, of which the size is a part.
	group uint16
	// born is the look at which it appeared unchanged, placed the one at which its place was taken.
	born, placed uint8
}

// chunk holds some blocks in 12 bytes each, by address.
type chunk struct {
	// base is subtracted from addresses, in units of 16 bytes, to which malloc aligns blocks.
	base         uint64
	n            int
	low, hash    [perChunk]uint32
	group        [perChunk]uint16
	born, placed [perChunk]uint8
}

// get returns entry i.
func (c *chunk) get(i int) entry {
	return entry{(c.base + uint64(c.low[i])) << 4, c.hash[i], c.group[i], c.born[i], c.placed[i]}
}

// column holds the blocks of a look.
type column struct {
	chunks []*chunk
	// spare are chunks to take before new ones are made: those of the look before, as they are read.
	spare []*chunk
}

// add appends a block, with a higher address than all others.
func (c *column) add(e entry) {
	var last *chunk
	if n := len(c.chunks); n > 0 {
		last = c.chunks[n-1]
	}
	at := e.addr >> 4
	if last == nil || last.n == perChunk || at-last.base > 1<<32-1 {
		if n := len(c.spare); n > 0 {
			last, c.spare = c.spare[n-1], c.spare[:n-1]
			last.n = 0
		} else {
			last = new(chunk)
		}
		last.base = at
		c.chunks = append(c.chunks, last)
	}
	i := last.n
	last.low[i], last.hash[i], last.group[i] = uint32(at-last.base), e.hash, e.group
	last.born[i], last.placed[i] = e.born, e.placed
	last.n++
}

// halve replaces the looks of all blocks by half their numbers.
func (c *column) halve() {
	for _, k := range c.chunks {
		for i := range k.n {
			k.born[i] /= 2
			k.placed[i] /= 2
		}
	}
}

// cursor reads the blocks of a column in their order.
type cursor struct {
	from  *column
	chunk int
	i     int
	// done is called with every chunk that was read.
	done func(*chunk)
}

// peek returns the next block; ok is false at the end.
func (c *cursor) peek() (e entry, ok bool) {
	for c.chunk < len(c.from.chunks) {
		k := c.from.chunks[c.chunk]
		if c.i < k.n {
			return k.get(c.i), true
		}
		c.from.chunks[c.chunk] = nil
		if c.done != nil {
			c.done(k)
		}
		c.chunk, c.i = c.chunk+1, 0
	}
	return entry{}, false
}

// next passes the block that peek returned.
func (c *cursor) next() { c.i++ }
