package cohort

import "memtrace/tracer/inspect/census"

// comparison tells which blocks of a look have the content that the block at their address had at the
// look before. It is given hashes as they are made, and drops those of the look before that are not
// needed any more, so that not all hashes of two looks are there at a time.
type comparison struct {
	blocks *census.Blocks
	// from and next are the blocks of this look, and the number of the next one.
	from census.Cursor
	next int
	// old are those of the look before, was and place the next one of them and its number.
	old    census.Cursor
	was    census.Block
	place  int
	more   bool
	hashes *census.Hashes
	// same has a bit for each block of this look.
	same []uint64
}

// Begin begins a look at these blocks. It returns a function that may be called with their hashes
// before Add is called: with those from the block with a number on, in the order of the blocks. Where
// no Add follows, all blocks of the next look count as changed.
func (t *Tracker) Begin(blocks *census.Blocks) (hashed func(first int, hashes []uint32)) {
	c := &comparison{blocks: blocks, from: blocks.Cursor(), same: make([]uint64, blocks.Len()/64+1), hashes: t.hashes}
	if t.blocks != nil {
		c.old = t.blocks.Cursor()
		c.was, c.more = c.old.Next()
	}
	t.comparing = c
	return c.hashed
}

func (c *comparison) hashed(first int, hashes []uint32) {
	if first != c.next {
		return
	}
	for _, hash := range hashes {
		b, ok := c.from.Next()
		if !ok {
			return
		}
		for c.more && c.was.Addr < b.Addr {
			c.pass()
		}
		if c.more && c.was.Addr == b.Addr {
			if before, ok := c.hashes.At(c.place); ok && before == hash {
				c.same[c.next/64] |= 1 << (c.next % 64)
			}
		}
		c.next++
	}
}

// pass goes on to the next block of the look before.
func (c *comparison) pass() {
	c.was, c.more = c.old.Next()
	if c.place++; c.place%census.HashPage == 0 {
		c.hashes.Drop(c.place/census.HashPage - 1)
	}
}

// isSame reports whether a block has the same content.
func (c *comparison) isSame(i int) bool { return c.same[i/64]>>(i%64)&1 != 0 }
