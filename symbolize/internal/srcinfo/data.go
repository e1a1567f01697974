// Package srcinfo tells, from a file's DWARF debugging information, which source line an
// address belongs to and which calls were inlined there.
//
// It reads DWARF 2 to 5 in place: the extents of the units once, a unit's functions and line
// table when the first address falls into it, and names when they are needed. It does not
// follow split DWARF and supplementary (dwz) files; what they hold is missing from the answer.
// It does not use debug/dwarf, because counts and offsets in a hostile file make that allocate
// without bound (a version 5 line table may claim 2^60 files of no bytes each). It would also take 2.6 times
// as long for 200 addresses of libc's debug file, and allocate 3.7 times as much
// (docs/LIBRARIES.md).
package srcinfo

import (
	"errors"
	"fmt"
	"io"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/internal/interval"
)

var (
	// ErrNoInfo means that a file has no debugging information.
	ErrNoInfo = errors.New("no debugging information")
	// errMalformed is wrapped by the errors for data that contradicts itself.
	errMalformed = errors.New("malformed debugging information")
)

// Call is one level of the calls in progress at an address.
type Call struct {
	// Name is the unqualified name in the source. LinkageName is the symbol's name if it
	// differs: mangled, or renamed. Either may be empty.
	Name, LinkageName string
	// File and Line are the place of this level: the address itself, or the call of the next
	// inner level. They are empty and 0 if unknown.
	File string
	Line int
	// Inline is set on all levels but the last, which is the function proper.
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
	// abbrevSize is the memory that abbrevs takes, in bytes.
	abbrevSize int
}

// These bound what is kept of decoded tables.
const (
	maxAbbrevTables = 16
	maxAbbrevSize   = 32 << 20 // bytes, not counting one table

	abbrevBytes, attrBytes = 64, 24 // of a layout and of each attribute in it
)

// Open indexes the debugging information of f. It ignores information about addresses that are
// not executable: linkers leave that behind, at or near address 0, for functions that they
// dropped. It returns ErrNoInfo if there is nothing to index.
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

// maxOverlap bounds the units that are tried for one address. More than one unit covers it
// only if the data is wrong about some.
const maxOverlap = 4

// Lookup returns the calls in progress at an address, innermost first, or none if nothing is
// known. Along with an error it still returns what was found.
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

// section is a section of the file that is read as needed.
type section struct {
	r    *io.SectionReader
	size uint64
}

// upTo returns n bytes at off, or fewer at the section's end.
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

// maxString is the longest string returned. Longer ones are cut.
const maxString = 4096

// cstring returns the string at off, up to its NUL.
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
