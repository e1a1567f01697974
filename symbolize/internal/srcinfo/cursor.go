package srcinfo

import (
	"bytes"
	"encoding/binary"
)

// cursor reads values one after the other. Past the end it returns zeros and sets failed, so a
// series of reads needs only one check.
type cursor struct {
	data []byte
	// base is the offset of data[0] in its section.
	base   uint64
	off    int
	failed bool
}

// pos returns the offset in the section of the next read.
func (c *cursor) pos() uint64 { return c.base + uint64(c.off) }

func (c *cursor) more() bool { return !c.failed && c.off < len(c.data) }

func (c *cursor) left() uint64 { return uint64(len(c.data) - c.off) }

func (c *cursor) fail() {
	c.failed = true
	c.off = len(c.data)
}

func (c *cursor) bytes(n uint64) []byte {
	if n > c.left() {
		c.fail()
		return nil
	}
	b := c.data[c.off : c.off+int(n)]
	c.off += int(n)
	return b
}

func (c *cursor) skip(n uint64) { c.bytes(n) }

func (c *cursor) u8() uint8 {
	if b := c.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u24() uint32 {
	if b := c.bytes(3); b != nil {
		return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// sized reads an unsigned number of 1, 2, 4 or 8 bytes.
func (c *cursor) sized(size uint8) uint64 {
	switch size {
	case 1:
		return uint64(c.u8())
	case 2:
		return uint64(c.u16())
	case 4:
		return uint64(c.u32())
	case 8:
		return c.u64()
	}
	c.fail()
	return 0
}

// offset reads an offset into a section. It has 8 bytes in 64-bit DWARF, else 4.
func (c *cursor) offset(dwarf64 bool) uint64 {
	if dwarf64 {
		return c.u64()
	}
	return uint64(c.u32())
}

// length reads the length at the start of a unit, which also tells the format.
func (c *cursor) length() (n uint64, dwarf64 bool) {
	n = uint64(c.u32())
	switch {
	case n == 0xffffffff:
		return c.u64(), true
	case n >= 0xfffffff0: // reserved
		c.fail()
	}
	return n, false
}

func (c *cursor) uleb() uint64 {
	var v uint64
	for shift := uint(0); ; shift += 7 {
		b := c.u8()
		if shift < 64 {
			v |= uint64(b&0x7f) << shift
		}
		if b&0x80 == 0 {
			return v
		}
	}
}

func (c *cursor) sleb() int64 {
	var v int64
	for shift := uint(0); ; {
		b := c.u8()
		if shift < 64 {
			v |= int64(b&0x7f) << shift
		}
		shift += 7
		if b&0x80 == 0 {
			if b&0x40 != 0 && shift < 64 {
				v |= -1 << shift
			}
			return v
		}
	}
}

// cstring reads a string and its NUL. The string shares the cursor's memory.
func (c *cursor) cstring() []byte {
	end := bytes.IndexByte(c.data[c.off:], 0)
	if end < 0 {
		c.fail()
		return nil
	}
	s := c.data[c.off : c.off+end]
	c.off += end + 1
	return s
}
