package srcinfo

import (
	"errors"
	"sort"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/internal/interval"
)

const (
	// maxUnits bounds the units of a file. Chromium has about 50,000.
	maxUnits = 1 << 20
	// maxUnitRanges bounds the ranges of all units together.
	maxUnitRanges = 4 << 20
	// maxUnitSize is the largest unit that is decoded, in bytes.
	maxUnitSize = 128 << 20

	unitBytes, rangeBytes = 256, 32 // memory of each

	// rootChunk is how much of a unit is read for its header and first entry.
	rootChunk = 1 << 10
	// maxEntry is how much is read of an entry that does not fit a chunk.
	maxEntry = 64 << 10
)

// These are the DWARF 5 unit types with a longer header.
const (
	unitType         = 2
	unitSkeleton     = 4
	unitSplitCompile = 5
	unitSplitType    = 6
)

// unit is a compilation unit, or another part of .debug_info with its own header.
type unit struct {
	encoding
	off, end  uint64 // in .debug_info
	entries   uint64 // offset in .debug_info of the first entry
	abbrevOff uint64

	// The following come from the first entry.
	low                            uint64
	stmtList                       value
	compDir                        value
	addrBase, strBase, rnglistBase uint64

	lines  *lineTable
	scopes *scopeTree
}

// index finds all units and the addresses that each covers. It does not find units after a
// malformed header, nor addresses of a unit whose first entry is malformed.
func (d *Data) index() error {
	var extents []interval.Entry
	for off := uint64(0); off < d.info.size && len(d.units) < maxUnits; {
		u, root, ok := d.unitAt(off)
		if !ok {
			break
		}
		if err := d.budget.Work(rootChunk); err != nil {
			return err
		}
		if err := d.budget.Keep(unitBytes); err != nil {
			return err
		}
		ref := uint32(len(d.units))
		d.units = append(d.units, u)
		off = u.end
		e, err := d.readRoot(&d.units[ref], root)
		if err == nil {
			err = d.eachRange(&d.units[ref], &e, func(low, high uint64) error {
				if len(extents) >= maxUnitRanges {
					return elffile.ErrBudget
				}
				if err := d.budget.Keep(rangeBytes); err != nil {
					return err
				}
				extents = append(extents, interval.Entry{Low: low, High: high, Ref: ref})
				return nil
			})
		}
		if errors.Is(err, elffile.ErrBudget) {
			return err
		}
	}
	d.byRange = interval.New(extents)
	return nil
}

// unitAt reads the header of the unit at off. It also returns a cursor at the first entry,
// which covers a chunk of the unit.
func (d *Data) unitAt(off uint64) (u unit, c cursor, ok bool) {
	c = cursor{data: d.info.upTo(off, rootChunk), base: off}
	length, dwarf64 := c.length()
	if c.failed || length > d.info.size-c.pos() {
		return u, c, false
	}
	u = unit{off: off, end: c.pos() + length}
	u.dwarf64, u.version = dwarf64, c.u16()
	switch {
	case u.version >= 2 && u.version <= 4:
		u.abbrevOff = c.offset(dwarf64)
		u.addrSize = c.u8()
	case u.version == 5:
		kind := c.u8()
		u.addrSize = c.u8()
		u.abbrevOff = c.offset(dwarf64)
		switch kind {
		case unitSkeleton, unitSplitCompile:
			c.skip(8)
		case unitType, unitSplitType:
			c.skip(8)
			c.offset(dwarf64)
		}
	default:
		c.fail()
	}
	// The entries of an unknown version cannot be read, but those of the next unit may be.
	u.entries = min(c.pos(), u.end)
	if c.failed {
		u.entries = u.end
	}
	if u.end-off < uint64(len(c.data)) {
		c.data = c.data[:u.end-off]
	}
	c.off = min(c.off, len(c.data))
	return u, c, true
}

// readRoot reads a unit's first entry and keeps what the other entries depend on.
func (d *Data) readRoot(u *unit, c cursor) (entry, error) {
	e, err := d.readEntry(u, c)
	if err != nil {
		return entry{}, err
	}
	u.addrBase, u.strBase, u.rnglistBase = e.addrBase, e.strBase, e.rnglistBase
	u.stmtList, u.compDir = e.stmtList, e.compDir
	u.low, _ = d.address(u, e.low)
	return e, nil
}

// unitOf returns the unit that holds an offset of .debug_info, or nil.
func (d *Data) unitOf(off uint64) *unit {
	i := sort.Search(len(d.units), func(i int) bool { return d.units[i].off > off }) - 1
	if i < 0 || off < d.units[i].entries || off >= d.units[i].end {
		return nil
	}
	return &d.units[i]
}

// address returns the address that a value stands for.
func (d *Data) address(u *unit, v value) (uint64, bool) {
	switch v.kind {
	case kindAddress:
		return v.n, true
	case kindAddressIndex:
		return d.indexedAddress(u, v.n)
	}
	return 0, false
}

func (d *Data) indexedAddress(u *unit, index uint64) (uint64, bool) {
	if index > d.addr.size {
		return 0, false
	}
	raw, err := d.addr.at(u.addrBase+index*uint64(u.addrSize), uint64(u.addrSize))
	if err != nil {
		return 0, false
	}
	c := cursor{data: raw}
	addr := c.sized(u.addrSize)
	return addr, !c.failed
}

// text returns the string that a value stands for, or "".
func (d *Data) text(u *unit, v value) string {
	switch v.kind {
	case kindInline:
		return d.info.cstring(v.n)
	case kindString:
		return d.str.cstring(v.n)
	case kindLineString:
		return d.lineStr.cstring(v.n)
	case kindLineSection:
		return d.line.cstring(v.n)
	case kindStringIndex:
		size := uint64(4)
		if u.dwarf64 {
			size = 8
		}
		if v.n > d.strOffsets.size {
			return ""
		}
		raw, err := d.strOffsets.at(u.strBase+v.n*size, size)
		if err != nil {
			return ""
		}
		c := cursor{data: raw}
		return d.str.cstring(c.offset(u.dwarf64))
	}
	return ""
}
