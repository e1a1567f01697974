package srcinfo

import (
	"debug/dwarf"
	"fmt"
	"math"
)

// abbrev is the layout shared by the entries with the same code.
type abbrev struct {
	tag      dwarf.Tag
	children bool
	attrs    []attrSpec
}

type attrSpec struct {
	attr dwarf.Attr
	form form
	// implicit is the value itself, for formImplicitConst.
	implicit int64
}

// abbrevTable holds layouts by code. Compilers number them from 1.
type abbrevTable struct {
	dense  []abbrev
	sparse map[uint64]abbrev
}

func (t *abbrevTable) lookup(code uint64) *abbrev {
	if code-1 < uint64(len(t.dense)) {
		return &t.dense[code-1]
	}
	if a, ok := t.sparse[code]; ok {
		return &a
	}
	return nil
}

const (
	// abbrevChunk is how much of a table is read first. Most tables are shorter.
	abbrevChunk = 8 << 10
	// maxAbbrevTable is the longest table that is read, in bytes.
	maxAbbrevTable = 1 << 20
)

// abbrevTable returns the table at an offset of .debug_abbrev.
func (d *Data) abbrevTable(off uint64) (*abbrevTable, error) {
	if t := d.abbrevs[off]; t != nil {
		return t, nil
	}
	t := new(abbrevTable)
	size := 0
	if err := d.eachAbbrev(off, func(code uint64, a abbrev) bool {
		size += abbrevBytes + attrBytes*len(a.attrs)
		if code == uint64(len(t.dense))+1 {
			t.dense = append(t.dense, a)
			return true
		}
		if t.sparse == nil {
			t.sparse = make(map[uint64]abbrev)
		}
		if _, dup := t.sparse[code]; !dup {
			t.sparse[code] = a
		}
		return true
	}); err != nil {
		return nil, err
	}
	if len(d.abbrevs) >= maxAbbrevTables || d.abbrevSize+size > maxAbbrevSize {
		clear(d.abbrevs)
		d.abbrevSize = 0
	}
	d.abbrevs[off] = t
	d.abbrevSize += size
	return t, nil
}

// findAbbrev returns one layout without decoding or keeping the rest of its table.
func (d *Data) findAbbrev(off, code uint64) (*abbrev, error) {
	if t := d.abbrevs[off]; t != nil {
		if a := t.lookup(code); a != nil {
			return a, nil
		}
		return nil, fmt.Errorf("abbreviation %d: %w", code, errMalformed)
	}
	var found *abbrev
	if err := d.eachAbbrev(off, func(c uint64, a abbrev) bool {
		if c == code {
			found = &a
		}
		return found == nil
	}); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, fmt.Errorf("abbreviation %d: %w", code, errMalformed)
	}
	return found, nil
}

// eachAbbrev calls yield for the entries of the table at off until yield returns false.
func (d *Data) eachAbbrev(off uint64, yield func(code uint64, a abbrev) bool) error {
	c := cursor{data: d.abbrev.upTo(off, abbrevChunk)}
	whole := false
	for {
		start := c.off
		code, a := c.abbrev()
		if c.failed && !whole && len(c.data) == abbrevChunk {
			// The first chunk ends inside this layout: continue with the rest.
			c = cursor{data: d.abbrev.upTo(off, maxAbbrevTable), off: start}
			whole = true
			continue
		}
		if err := d.budget.Work(uint64(c.off - start)); err != nil {
			return err
		}
		if c.failed {
			return fmt.Errorf("abbreviations at %#x: %w", off, errMalformed)
		}
		if code == 0 || !yield(code, a) {
			return nil
		}
	}
}

// abbrev reads one layout; code 0 ends a table.
func (c *cursor) abbrev() (code uint64, a abbrev) {
	code = c.uleb()
	if code == 0 {
		return 0, a
	}
	a.tag = dwarf.Tag(min(c.uleb(), math.MaxUint32))
	a.children = c.u8() != 0
	for !c.failed {
		attr, f := c.uleb(), c.uleb()
		if attr == 0 && f == 0 {
			break
		}
		spec := attrSpec{attr: dwarf.Attr(min(attr, math.MaxUint32)), form: form(min(f, math.MaxUint16))}
		if spec.form == formImplicitConst {
			spec.implicit = c.sleb()
		}
		a.attrs = append(a.attrs, spec)
	}
	return code, a
}
