package unwind

import "strings"

// frames is the contents of a section with call frame information.
type frames struct {
	data  []byte
	bases bases
	debug bool // .debug_frame rather than .eh_frame
	// terminated: an entry of length zero, not the end of data, ends the section. Without it,
	// such entries may occur between others.
	terminated bool
}

// entry is a CIE or FDE in a frames section.
type entry struct {
	start, body, end int    // offsets of its length field, of what follows the ID, and of its end
	isCIE            bool   // else it is an FDE
	cieAt            uint64 // offset of an FDE's CIE
}

// entryAt reads the head of the entry at offset start. next is the start of the following
// entry. An entry without contents (a terminator, or one that is too short) has body == end
// and no CIE. ok is false if no further entry can be found.
func (f *frames) entryAt(start int) (e entry, next int, ok bool) {
	c := cursor{data: f.data, pos: start}
	length, dwarf64 := uint64(c.u32()), false
	if length == 0xffffffff {
		length, dwarf64 = c.u64(), true
	}
	if c.bad || length > uint64(len(f.data)-c.pos) {
		return entry{}, 0, false
	}
	if length == 0 {
		return entry{start: start, body: c.pos, end: c.pos}, c.pos, !f.terminated
	}
	end := c.pos + int(length)
	idAt := c.pos
	c.data = f.data[:end]
	// The ID in .eh_frame has 4 bytes whatever the size of the length (LSB 10.6.1).
	var id uint64
	if f.debug && dwarf64 {
		id = c.u64()
	} else {
		id = uint64(c.u32())
	}
	e = entry{start: start, body: c.pos, end: end}
	switch {
	case c.bad:
		e.body = end
	case !f.debug:
		e.isCIE, e.cieAt = id == 0, uint64(idAt)-id
	case dwarf64:
		e.isCIE, e.cieAt = id == 1<<64-1, id
	default:
		e.isCIE, e.cieAt = id == 1<<32-1, id
	}
	return e, end, true
}

// cie is a common information entry.
type cie struct {
	codeAlign   uint64
	dataAlign   int64
	initial     state // after the CIE's own instructions
	pointerEnc  uint8 // of the addresses in its FDEs
	segmentSize uint8 // size of a segment selector before them
	augmented   bool  // FDEs have augmentation data after its length
}

// parseCIE parses the CIE at that offset. It returns nil for what is not a CIE, is damaged, or
// cannot be understood.
func (f *frames) parseCIE(at uint64) *cie {
	if at >= uint64(len(f.data)) {
		return nil
	}
	e, _, ok := f.entryAt(int(at))
	if !ok || !e.isCIE || e.end-e.body > maxCIEBytes {
		return nil
	}
	c := cursor{data: f.data[:e.end], pos: e.body}
	out := &cie{pointerEnc: encAbs}
	version := c.u8()
	if version != 1 && version != 3 && version != 4 {
		return nil
	}
	augmentation := c.cstring()
	if version == 4 {
		if c.u8() != 8 { // address size
			return nil
		}
		out.segmentSize = c.u8()
	}
	if augmentation == "eh" {
		c.skip(8) // a pointer that GCC wrote before version 3
		augmentation = ""
	}
	out.codeAlign, out.dataAlign = c.uleb(), c.sleb()
	column := uint64(0)
	if version == 1 {
		column = uint64(c.u8())
	} else {
		column = c.uleb()
	}
	if column != regRIP || !out.parseAugmentation(&c, augmentation, f.bases) || c.bad {
		return nil
	}
	p := program{cie: out, initial: &state{cfaReg: regUnknown}, code: c, bases: f.bases}
	p.cur = *p.initial
	if _, more, ok := p.run(); more || !ok {
		return nil // a CIE has no address to advance from
	}
	out.initial = p.cur
	return out
}

// parseAugmentation reads the augmentation data that the string describes (LSB 10.6.1.1.1).
// Only with a leading 'z' does the data have a length, which allows unknown letters to be
// skipped.
func (out *cie) parseAugmentation(c *cursor, augmentation string, b bases) bool {
	if augmentation == "" {
		return true
	}
	letters, augmented := strings.CutPrefix(augmentation, "z")
	if !augmented {
		return false
	}
	out.augmented = true
	length := c.uleb()
	if length > uint64(len(c.data)-c.pos) {
		return false
	}
	end := c.pos + int(length)
	data := cursor{data: c.data[:end], pos: c.pos}
	c.pos = end
	for _, letter := range []byte(letters) {
		switch letter {
		case 'R':
			out.pointerEnc = data.u8()
		case 'P':
			data.skipPointer(data.u8(), b)
		case 'L':
			data.u8()
		case 'S': // signal frame; signalRule recognises it by its rules
		default:
			return !data.bad
		}
	}
	return !data.bad
}

// fde is a frame description entry.
type fde struct {
	cie        *cie
	start, end uint64 // addresses it covers; end is exclusive
	code       cursor // its instructions
}

// parseFDE parses the FDE e, which refers to the given CIE. ok is false if the FDE is damaged
// or the encoding of its addresses cannot be resolved.
func (f *frames) parseFDE(e entry, common *cie) (out fde, ok bool) {
	c := cursor{data: f.data[:e.end], pos: e.body}
	c.skip(uint64(common.segmentSize))
	start := c.pointer(common.pointerEnc, f.bases)
	length := c.value(common.pointerEnc) // a count: the format without the base
	if common.augmented {
		c.skip(c.uleb())
	}
	if c.bad || start+length < start {
		return fde{}, false
	}
	return fde{cie: common, start: start, end: start + length, code: c}, true
}
