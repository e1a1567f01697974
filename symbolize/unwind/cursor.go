package unwind

import "encoding/binary"

// These are the pointer encodings of .eh_frame and .eh_frame_hdr (LSB core specification,
// 10.5.1, DW_EH_PE_*). The low four bits are the format; the next three say what the value is
// relative to.
const (
	encAbs      = 0x00
	encULEB     = 0x01
	encU2       = 0x02
	encU4       = 0x03
	encU8       = 0x04
	encSigned   = 0x08
	encSLEB     = 0x09
	encS2       = 0x0a
	encS4       = 0x0b
	encS8       = 0x0c
	encFormat   = 0x0f
	encPCRel    = 0x10
	encDataRel  = 0x30
	encAligned  = 0x50
	encBase     = 0x70
	encIndirect = 0x80
	encOmit     = 0xff
)

// cursor reads little-endian values from data[pos:]. A read beyond the end sets bad and yields
// zero, as does every later read, so callers check once after a group of reads.
type cursor struct {
	data []byte
	pos  int
	bad  bool
}

func (c *cursor) more() bool { return !c.bad && c.pos < len(c.data) }

func (c *cursor) fail() {
	c.bad = true
	c.pos = len(c.data)
}

func (c *cursor) skip(n uint64) {
	if n > uint64(len(c.data)-c.pos) {
		c.fail()
		return
	}
	c.pos += int(n)
}

func (c *cursor) u8() uint8 {
	if c.pos >= len(c.data) {
		c.fail()
		return 0
	}
	v := c.data[c.pos]
	c.pos++
	return v
}

func (c *cursor) u16() uint16 {
	if len(c.data)-c.pos < 2 {
		c.fail()
		return 0
	}
	v := binary.LittleEndian.Uint16(c.data[c.pos:])
	c.pos += 2
	return v
}

func (c *cursor) u32() uint32 {
	if len(c.data)-c.pos < 4 {
		c.fail()
		return 0
	}
	v := binary.LittleEndian.Uint32(c.data[c.pos:])
	c.pos += 4
	return v
}

func (c *cursor) u64() uint64 {
	if len(c.data)-c.pos < 8 {
		c.fail()
		return 0
	}
	v := binary.LittleEndian.Uint64(c.data[c.pos:])
	c.pos += 8
	return v
}

// uleb reads an unsigned LEB128 number. It fails on bits beyond 64.
func (c *cursor) uleb() uint64 {
	var v uint64
	for shift := uint(0); ; shift += 7 {
		b := c.u8()
		bits := uint64(b & 0x7f)
		if shift > 63 && bits != 0 || shift == 63 && bits > 1 {
			c.fail()
			return 0
		}
		v |= bits << shift
		if b < 0x80 {
			return v
		}
	}
}

// sleb reads a signed LEB128 number. Bits beyond 64 are dropped.
func (c *cursor) sleb() int64 {
	var v int64
	for shift := uint(0); ; shift += 7 {
		b := c.u8()
		v |= int64(b&0x7f) << shift
		if b < 0x80 {
			if shift < 57 && b&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
}

// cstring reads up to and including a zero byte, and returns what precedes it.
func (c *cursor) cstring() string {
	start := c.pos
	for c.u8() != 0 {
	}
	if c.bad {
		return ""
	}
	return string(c.data[start : c.pos-1])
}

// block reads n bytes.
func (c *cursor) block(n uint64) []byte {
	start := c.pos
	c.skip(n)
	if c.bad {
		return nil
	}
	return c.data[start:c.pos]
}

// bases are the addresses that encoded pointers are relative to.
type bases struct {
	section uint64 // address of data[0], for pc-relative pointers
	data    uint64 // for data-relative pointers; 0 if unknown
}

// pointer reads a pointer of the given encoding. It fails on encodings that need the memory of
// a process (indirect) or an unknown base: those relative to text or a function, and in
// .eh_frame those relative to data. No compiler for x86-64 writes these there.
func (c *cursor) pointer(enc uint8, b bases) uint64 {
	if enc == encOmit || enc&encIndirect != 0 {
		c.fail()
		return 0
	}
	var base uint64
	switch enc & encBase {
	case encAbs:
	case encPCRel:
		base = b.section + uint64(c.pos)
	case encDataRel:
		if base = b.data; base == 0 {
			c.fail()
		}
	case encAligned:
		c.align(b.section)
	default:
		c.fail()
		return 0
	}
	v := c.value(enc)
	if v == 0 {
		return 0 // a null pointer, whatever it is relative to
	}
	return base + v
}

// skipPointer skips a pointer of any encoding, resolvable or not.
func (c *cursor) skipPointer(enc uint8, b bases) {
	if enc == encOmit {
		return
	}
	if enc&encBase == encAligned {
		c.align(b.section)
	}
	c.value(enc)
}

// align skips to the next address that is a multiple of a pointer's size.
func (c *cursor) align(section uint64) {
	c.skip(-(section + uint64(c.pos)) & 7)
}

// value reads a number in the format given by the low bits of enc.
func (c *cursor) value(enc uint8) uint64 {
	switch enc & encFormat {
	case encAbs, encSigned, encU8, encS8:
		return c.u64()
	case encULEB:
		return c.uleb()
	case encSLEB:
		return uint64(c.sleb())
	case encU2:
		return uint64(c.u16())
	case encU4:
		return uint64(c.u32())
	case encS2:
		return uint64(int16(c.u16()))
	case encS4:
		return uint64(int32(c.u32()))
	}
	c.fail()
	return 0
}
