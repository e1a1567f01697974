package srcinfo

import (
	"debug/dwarf"
	"fmt"
)

// These are attributes that debug/dwarf has no name for.
const (
	attrMIPSLinkageName dwarf.Attr = 0x2007 // used by GCC before 4.8
	attrGNUAddrBase     dwarf.Attr = 0x2133
)

// entry has the attributes of a debugging information entry that are used here.
type entry struct {
	off      uint64 // in .debug_info
	tag      dwarf.Tag
	children bool

	name, linkageName     value
	low, high, ranges     value
	origin, specification value
	callFile, callLine    uint64
	stmtList, compDir     value
	addrBase, strBase     uint64
	rnglistBase           uint64
}

// entry reads the entry at the cursor, with the layout that lookup returns. The end of a list
// of children has tag 0.
func (c *cursor) entry(enc encoding, lookup func(code uint64) (*abbrev, error)) (entry, error) {
	e := entry{off: c.pos()}
	code := c.uleb()
	if code == 0 {
		return e, nil
	}
	a, err := lookup(code)
	if err != nil {
		return e, err
	}
	e.tag, e.children = a.tag, a.children
	for i := range a.attrs {
		spec := &a.attrs[i]
		e.set(spec.attr, c.value(spec.form, spec.implicit, enc))
	}
	return e, nil
}

func (e *entry) set(attr dwarf.Attr, v value) {
	switch attr {
	case dwarf.AttrName:
		e.name = v
	case dwarf.AttrLinkageName, attrMIPSLinkageName:
		e.linkageName = v
	case dwarf.AttrLowpc:
		e.low = v
	case dwarf.AttrHighpc:
		e.high = v
	case dwarf.AttrRanges:
		e.ranges = v
	case dwarf.AttrAbstractOrigin:
		e.origin = v
	case dwarf.AttrSpecification:
		e.specification = v
	case dwarf.AttrCallFile:
		e.callFile = v.n
	case dwarf.AttrCallLine:
		e.callLine = v.n
	case dwarf.AttrStmtList:
		e.stmtList = v
	case dwarf.AttrCompDir:
		e.compDir = v
	case dwarf.AttrAddrBase, attrGNUAddrBase:
		e.addrBase = v.n
	case dwarf.AttrStrOffsetsBase:
		e.strBase = v.n
	case dwarf.AttrRnglistsBase:
		e.rnglistBase = v.n
	}
}

// readEntry reads the entry at the cursor. The cursor covers a chunk of the unit, which may
// end too early.
func (d *Data) readEntry(u *unit, c cursor) (entry, error) {
	lookup := func(code uint64) (*abbrev, error) { return d.findAbbrev(u.abbrevOff, code) }
	start := c
	e, err := c.entry(u.encoding, lookup)
	if err == nil && c.failed && start.pos()+start.left() < u.end {
		c = cursor{data: d.info.upTo(start.pos(), min(maxEntry, u.end-start.pos())), base: start.pos()}
		e, err = c.entry(u.encoding, lookup)
	}
	if err == nil && (c.failed || e.tag == 0) {
		err = errMalformed
	}
	if err != nil {
		return entry{}, fmt.Errorf("entry at %#x: %w", start.pos(), err)
	}
	return e, nil
}

// entryAt reads the entry at an offset of .debug_info.
func (d *Data) entryAt(off uint64) (*unit, entry, error) {
	u := d.unitOf(off)
	if u == nil {
		return nil, entry{}, fmt.Errorf("entry at %#x: %w", off, errMalformed)
	}
	const chunk = 256
	e, err := d.readEntry(u, cursor{data: d.info.upTo(off, min(chunk, u.end-off)), base: off})
	return u, e, err
}

// target returns the offset in .debug_info that a reference points to.
func (u *unit) target(v value) (uint64, bool) {
	switch v.kind {
	case kindUnitRef:
		return u.off + v.n, v.n < u.end-u.off
	case kindInfoRef:
		return v.n, true
	}
	return 0, false
}

// maxReferences bounds how far a name is followed. From an inlined call to the abstract
// function and on to its declaration takes two steps.
const maxReferences = 16

// name returns the names of the function at an offset of .debug_info. Each is the first one
// found on the way to the function's declaration.
func (d *Data) name(off uint64) (name, linkageName string) {
	for range maxReferences {
		u, e, err := d.entryAt(off)
		if err != nil {
			break
		}
		if name == "" {
			name = d.text(u, e.name)
		}
		if linkageName == "" {
			linkageName = d.text(u, e.linkageName)
		}
		next, ok := u.target(e.origin)
		if !ok {
			next, ok = u.target(e.specification)
		}
		if !ok {
			break
		}
		off = next
	}
	return name, linkageName
}
