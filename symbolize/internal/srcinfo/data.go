// Package srcinfo tells, from a file's DWARF debugging information, which
// source line an address belongs to and which calls were inlined there.
//
// It reads DWARF 2 to 5 in place: the units' extents once, a unit's functions
// and line table when the first address falls into it, names when asked for.
// Split DWARF and supplementary (dwz) files are not followed; what is in them
// is missing from the answer. debug/dwarf is not used because counts and
// offsets in a hostile file make it allocate without bound (a version 5 line
// table may claim 2^60 files of no bytes each).
package srcinfo

import (
	"errors"
	"fmt"
	"io"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/internal/interval"
)

var (
	// ErrNoInfo is returned where a file has no debugging information.
	ErrNoInfo = errors.New("no debugging information")
	// errMalformed is wrapped by what is returned for data that contradicts
	// itself.
	errMalformed = errors.New("malformed debugging information")
)

// Call is one level of the calls that are in progress at an address.
type Call struct {
	// Name is the name as in the source, without what it is nested in, and
	// LinkageName the symbol's where that differs: mangled, or renamed. Either
	// may be empty.
	Name, LinkageName string
	// File and Line, empty and 0 if not known, are where this level stands: at
	// the address itself or at the call of the level inside it.
	File string
	Line int
	// Inline is set on all but the last level, the function proper.
	Inline bool
}

// Data is the debugging information of one file. It is not safe for concurrent
// use.
type Data struct {
	info, abbrev, str, lineStr, strOffsets, addr section
	line, ranges, rnglists                       section

	executable func(uint64) bool
	budget     *elffile.Budget

	units   []unit
	byRange interval.Set // Ref: index in units
	abbrevs map[uint64]*abbrevTable
	// abbrevSize is what they take in memory, in bytes.
	abbrevSize int
}

// What is kept of decoded tables.
const (
	maxAbbrevTables = 16
	maxAbbrevSize   = 32 << 20 // bytes, one table aside

	abbrevBytes, attrBytes = 64, 24 // of a layout and of each attribute in it
)

// Open indexes the debugging information of f. What it says about addresses
// that are not executable is ignored: linkers leave that behind for functions
// that they dropped, at address 0 or thereabouts. It returns ErrNoInfo where
// there is nothing to index.
func Open(f *elffile.File, executable func(addr uint64) bool, budget *elffile.Budget) (*Data, error) {
	d := &Data{
		executable: func(addr uint64) bool { return addr != 0 && executable(addr) },
		budget:     budget,
		abbrevs:    make(map[uint64]*abbrevTable),
	}
	for _, s := range []struct {
		name string
		to   *section
	}{
		{".debug_info", &d.info},
		{".debug_abbrev", &d.abbrev},
		{".debug_str", &d.str},
		{".debug_line_str", &d.lineStr},
		{".debug_str_offsets", &d.strOffsets},
		{".debug_addr", &d.addr},
		{".debug_line", &d.line},
		{".debug_ranges", &d.ranges},
		{".debug_rnglists", &d.rnglists},
	} {
		r, err := f.Reader(f.Section(s.name))
		if err != nil {
			return nil, err
		}
		if r != nil {
			*s.to = section{r: r, size: uint64(r.Size())}
		}
	}
	if d.info.size == 0 || d.abbrev.size == 0 {
		return nil, ErrNoInfo
	}
	if err := d.index(); err != nil {
		return nil, fmt.Errorf("index units: %w", err)
	}
	return d, nil
}

// maxOverlap bounds the units that are tried for one address. More than one
// covers it only where the data is wrong about some.
const maxOverlap = 4

// Lookup returns the calls in progress at an address, the innermost first, or
// none if nothing is known about it. With an error it returns what was found
// all the same.
func (d *Data) Lookup(addr uint64) (calls []Call, err error) {
	tried := 0
	for e := range d.byRange.Containing(addr) {
		var unitErr error
		calls, unitErr = d.lookupIn(&d.units[e.Ref], addr)
		err = errors.Join(err, unitErr)
		if tried++; len(calls) > 0 || tried == maxOverlap {
			break
		}
	}
	return calls, err
}

func (d *Data) lookupIn(u *unit, addr uint64) ([]Call, error) {
	err := errors.Join(d.loadLines(u), d.loadScopes(u))
	file, line := u.lines.lookup(addr)
	chain := u.scopes.chain(addr)
	if len(chain) == 0 && file != "" {
		return []Call{{File: file, Line: line}}, err
	}
	calls := make([]Call, 0, len(chain))
	for _, s := range chain {
		name, linkageName := d.name(s.die)
		calls = append(calls, Call{Name: name, LinkageName: linkageName, File: file, Line: line, Inline: s.inline})
		file, line = u.lines.fileName(uint64(s.callFile)), int(s.callLine)
	}
	return calls, err
}

// section is a part of the file that is read as needed.
type section struct {
	r    *io.SectionReader
	size uint64
}

// upTo returns n bytes at off, fewer at the section's end.
func (s section) upTo(off, n uint64) []byte {
	if off >= s.size {
		return nil
	}
	buf := make([]byte, min(n, s.size-off))
	read, err := s.r.ReadAt(buf, int64(off))
	if err != nil && err != io.EOF {
		return nil
	}
	return buf[:read]
}

// at returns exactly n bytes at off.
func (s section) at(off, n uint64) ([]byte, error) {
	if off > s.size || n > s.size-off {
		return nil, errMalformed
	}
	buf := s.upTo(off, n)
	if uint64(len(buf)) != n {
		return nil, io.ErrUnexpectedEOF
	}
	return buf, nil
}

// maxString is the longest string returned; longer ones are cut.
const maxString = 4096

// cstring returns the string at off up to its NUL.
func (s section) cstring(off uint64) string {
	for _, n := range []uint64{128, maxString} {
		buf := s.upTo(off, n)
		for i, c := range buf {
			if c == 0 {
				return string(buf[:i])
			}
		}
		if n == maxString || uint64(len(buf)) < n {
			return string(buf)
		}
	}
	return ""
}
