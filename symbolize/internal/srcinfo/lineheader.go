package srcinfo

import (
	"fmt"
	"path"
)

// These are the content codes of version 5 file tables (section 6.2.4.1).
const (
	lnctPath           = 1
	lnctDirectoryIndex = 2
)

// maxLineFiles bounds the files, and also the directories, of one line table.
const maxLineFiles = 1 << 20

// lineHeader is the header of a line number program.
type lineHeader struct {
	encoding
	minInstLength uint64
	lineBase      int64
	lineRange     uint64
	opcodeBase    uint8
	// operands has the number of operands of each standard opcode, starting with opcode 1.
	operands []byte

	dirs  []value
	files []lineFile
}

type lineFile struct {
	name value
	dir  uint64
}

// readLineHeader reads the header and leaves the cursor, which covers all of the unit's line
// data, at the program.
func (c *cursor) readLineHeader(dwarf64 bool, addrSize uint8) (*lineHeader, error) {
	h := &lineHeader{}
	h.dwarf64, h.addrSize = dwarf64, addrSize
	h.version = c.u16()
	if h.version < 2 || h.version > 5 {
		return nil, fmt.Errorf("line table version %d: %w", h.version, errMalformed)
	}
	if h.version >= 5 {
		h.addrSize = c.u8()
		c.skip(1) // segment selector size
	}
	size := c.offset(dwarf64)
	if size > c.left() {
		return nil, errMalformed
	}
	program := c.off + int(size)
	h.minInstLength = uint64(c.u8())
	if h.version >= 4 {
		c.skip(1) // operations per instruction: 1 on all but VLIW machines
	}
	c.skip(1) // whether rows start as statements: all rows count here
	h.lineBase = int64(int8(c.u8()))
	h.lineRange = uint64(c.u8())
	h.opcodeBase = c.u8()
	if c.failed || h.lineRange == 0 || h.opcodeBase == 0 {
		return nil, errMalformed
	}
	h.operands = c.bytes(uint64(h.opcodeBase) - 1)
	if h.version >= 5 {
		c.entryTable(h, func(f lineFile) { h.dirs = append(h.dirs, f.name) })
		c.entryTable(h, func(f lineFile) { h.files = append(h.files, f) })
	} else {
		c.nameTables(h)
	}
	if c.failed {
		return nil, fmt.Errorf("file table: %w", errMalformed)
	}
	c.off = program
	return h, nil
}

// nameTables reads the tables of versions 2 to 4. Directory 0 is the unit's own, and files are
// numbered from 1.
func (c *cursor) nameTables(h *lineHeader) {
	h.dirs = append(h.dirs, value{})
	for !c.failed && len(h.dirs) <= maxLineFiles {
		at := c.pos()
		if len(c.cstring()) == 0 {
			break
		}
		h.dirs = append(h.dirs, value{kindLineSection, at})
	}
	h.files = append(h.files, lineFile{})
	for !c.failed && len(h.files) <= maxLineFiles {
		f, ok := c.fileEntry()
		if !ok {
			break
		}
		h.files = append(h.files, f)
	}
}

// fileEntry reads one file of versions 2 to 4.
func (c *cursor) fileEntry() (f lineFile, ok bool) {
	at := c.pos()
	if len(c.cstring()) == 0 {
		return f, false
	}
	f = lineFile{name: value{kindLineSection, at}, dir: c.uleb()}
	c.uleb() // time
	c.uleb() // size
	return f, !c.failed
}

// entryTable reads a table of version 5, which describes the layout of its own entries.
func (c *cursor) entryTable(h *lineHeader, yield func(lineFile)) {
	type column struct {
		content uint64
		form    form
	}
	columns := make([]column, c.u8())
	for i := range columns {
		columns[i] = column{c.uleb(), form(min(c.uleb(), 0xffff))}
	}
	count := c.uleb()
	// Any number of entries could be claimed if an entry took no bytes.
	if count > c.left() || count > maxLineFiles || (count > 0 && len(columns) == 0) {
		c.fail()
		return
	}
	for range count {
		var f lineFile
		for _, col := range columns {
			v := c.value(col.form, 0, h.encoding)
			if v.kind == kindInline {
				v.kind = kindLineSection
			}
			switch col.content {
			case lnctPath:
				f.name = v
			case lnctDirectoryIndex:
				f.dir = v.n
			}
		}
		if c.failed {
			return
		}
		yield(f)
	}
}

// filePath joins a file's name with its directory and the unit's.
func (d *Data) filePath(u *unit, h *lineHeader, index uint64) string {
	if index >= uint64(len(h.files)) {
		return ""
	}
	f := h.files[index]
	name := d.text(u, f.name)
	if name == "" || path.IsAbs(name) {
		return cleanPath(name)
	}
	dir := ""
	if f.dir < uint64(len(h.dirs)) {
		dir = d.text(u, h.dirs[f.dir])
	}
	// From version 5 on, directory 0 is the unit's own. Distributions map it to a relative
	// path, which must not be joined with itself.
	base := d.text(u, u.compDir)
	if !path.IsAbs(dir) && (h.version < 5 || f.dir != 0 || path.IsAbs(base)) {
		dir = path.Join(base, dir)
	}
	return cleanPath(path.Join(dir, name))
}

func cleanPath(name string) string {
	if name == "" {
		return ""
	}
	name = path.Clean(name)
	return name[:min(len(name), maxString)]
}
