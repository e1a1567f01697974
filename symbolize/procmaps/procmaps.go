package procmaps

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

const (
	// maxBytes is the most that is read of one text. The kernel's default limit
	// of 65,530 mappings takes some 8 MB of maps; smaps has 25 lines for each.
	maxBytes = 4 << 30
	// maxLine holds a path of PATH_MAX bytes, each escaped.
	maxLine = 5 * unix.PathMax
	// maxNames is the most bytes of names that are kept from scan to scan.
	maxNames = 8 << 20
)

// ErrLine is a line that is no mapping.
var ErrLine = errors.New("malformed line")

// Perms are the rights of a mapping.
type Perms uint8

// The letters of the second column; Shared is its s in place of p.
const (
	Read Perms = 1 << iota
	Write
	Exec
	Shared
)

// None reports whether nothing can be done with the memory (PROT_NONE).
func (p Perms) None() bool { return p&(Read|Write|Exec) == 0 }

// Mapping is one line of maps, or one entry of smaps.
type Mapping struct {
	// Start and End are addresses: [Start, End). Offset is the place in the file.
	Start, End, Offset uint64
	// Dev is the device number as unix.Mkdev makes it.
	Dev, Inode uint64
	// Path is what the kernel shows: a path, a name in brackets or nothing.
	Path  string
	Perms Perms
	// Rss is the resident bytes, of smaps only.
	Rss uint64
}

// Bytes is the size of the mapping.
func (m *Mapping) Bytes() uint64 { return m.End - m.Start }

// Scanner scans one text after another. The zero Scanner is ready.
type Scanner struct {
	in        *bufio.Reader
	names     map[string]string
	nameBytes int
}

// Scan calls f with every mapping in r, in order, and returns how many lines
// were to be mappings. The Mapping is f's until it returns; Path may be kept.
// Lines that Scan does not understand are skipped, and the first of them is
// returned, as an error that is ErrLine, when all is read.
func (s *Scanner) Scan(r io.Reader, f func(*Mapping)) (lines int, err error) {
	r = io.LimitReader(r, maxBytes)
	if s.in == nil {
		s.in = bufio.NewReaderSize(r, maxLine)
	}
	s.in.Reset(r)
	defer s.in.Reset(nil)
	var m Mapping
	whole := false // m is a mapping that f has not been given
	for {
		line, readErr := s.line()
		switch {
		case len(line) == 0:
		case attribute(line):
			if kb, ok := bytes.CutPrefix(line, []byte("Rss:")); ok {
				m.Rss = kilobytes(kb)
			}
		default:
			if whole {
				f(&m)
			}
			lines++
			whole = s.parse(line, &m)
			if !whole && err == nil {
				err = fmt.Errorf("%.100q: %w", line, ErrLine)
			}
		}
		if readErr != nil {
			if whole {
				f(&m)
			}
			if readErr != io.EOF {
				err = readErr
			}
			return lines, err
		}
	}
}

// line reads a line without its end. One that is too long comes in pieces, none
// of which is a mapping.
func (s *Scanner) line() ([]byte, error) {
	line, err := s.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return line, nil
	}
	return bytes.TrimSuffix(line, []byte("\n")), err
}

// attribute reports whether a line is one of the figures of smaps: their names
// begin with a capital, and addresses are in small letters.
func attribute(line []byte) bool { return line[0] >= 'A' && line[0] <= 'Z' }

// kilobytes reads a figure of smaps, in bytes.
func kilobytes(text []byte) uint64 {
	kb, _, _ := number(bytes.TrimLeft(text, " "), 10)
	return kb << 10
}
