package cohort

import "encoding/binary"

// mark is what is kept of a block until the next look, beside its address and its hash.
type mark struct {
	// group is its index in Tracker.groups, of which the size is a part.
	group uint16
	// born is the look at which it appeared unchanged, placed the one at which its place was taken.
	born, placed uint8
}

const (
	partBytes = 64 << 10
	// mostWidth is how many bytes a mark may take: a group in up to 3, and the looks.
	mostWidth = 5
)

// column has the marks of all blocks of a look in their order. Most take a byte: a group, and whether
// the looks are others than those of the block before.
type column struct {
	parts [][]byte
	last  mark
}

// add appends a mark.
func (c *column) add(m mark) {
	n := len(c.parts)
	if n == 0 || len(c.parts[n-1])+mostWidth > partBytes {
		c.parts = append(c.parts, make([]byte, 0, partBytes))
		n++
	}
	same := m.born == c.last.born && m.placed == c.last.placed
	v := uint64(m.group) << 1
	if !same {
		v |= 1
	}
	part := binary.AppendUvarint(c.parts[n-1], v)
	if !same {
		part = append(part, m.born, m.placed)
	}
	c.parts[n-1], c.last = part, m
}

// halve gives the looks of all blocks their numbers once each two have become one.
func (c *column) halve() {
	for _, part := range c.parts {
		for len(part) > 0 {
			v, n := binary.Uvarint(part)
			if part = part[n:]; v&1 != 0 {
				part[0], part[1] = halved(part[0]), halved(part[1])
				part = part[2:]
			}
		}
	}
	c.last.born, c.last.placed = halved(c.last.born), halved(c.last.placed)
}

// cursor reads a column from the start.
type cursor struct {
	from  *column
	place int
	part  []byte
	last  mark
	// drop: parts that were read are dropped from the column.
	drop bool
}

// next returns the next mark, ok is false at the end.
func (c *cursor) next() (m mark, ok bool) {
	for len(c.part) == 0 {
		if c.drop && c.place > 0 {
			c.from.parts[c.place-1] = nil
		}
		if c.place == len(c.from.parts) {
			return mark{}, false
		}
		c.part = c.from.parts[c.place]
		c.place++
	}
	v, n := binary.Uvarint(c.part)
	c.part = c.part[n:]
	c.last.group = uint16(v >> 1)
	if v&1 != 0 {
		c.last.born, c.last.placed = c.part[0], c.part[1]
		c.part = c.part[2:]
	}
	return c.last, true
}
