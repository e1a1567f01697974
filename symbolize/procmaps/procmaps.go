package procmaps

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// maxBytes is the most that is read of one text. With the kernel's default limit of 65,530
	// mappings, maps takes about 8 MB; smaps has 25 lines for each mapping.
	maxBytes = 4 << 30
	// maxLine holds a path of PATH_MAX bytes with each byte escaped.
	maxLine = 5 * unix.PathMax
	// maxNames is the most bytes of names that are kept between scans.
	maxNames = 8 << 20
)

// ErrLine means that a line is not a mapping.
var ErrLine = errors.New("malformed line")

// Perms are the rights of a mapping.
type Perms uint8

// These are the letters of the second column. Shared is its s in place of p.
const (
	Read Perms = 1 << iota
	Write
	Exec
	Shared
)

// None reports whether the memory cannot be accessed (PROT_NONE).
func (p Perms) None() bool { return p&(Read|Write|Exec) == 0 }

// Mapping is one line of maps, or one entry of smaps.
type Mapping struct {
	// Start and End are the addresses [Start, End). Offset is the place in the file.
	Start, End, Offset uint64
	// Dev is the device number as unix.Mkdev makes it.
	Dev, Inode uint64
	// Path is as the kernel shows it: a path, a name in brackets or nothing.
	Path  string
	Perms Perms
	// These are bytes, from smaps only. Rss is what is resident, without huge pages that were
	// set aside (hugetlb), and Hugetlb those. Anonymous is the part of Rss that belongs to no
	// file and to no shared memory.
	Rss, Hugetlb, Anonymous uint64
}

// Bytes returns the size of the mapping.
func (m *Mapping) Bytes() uint64 { return m.End - m.Start }

// Scanner scans one text after another. The zero Scanner is ready to use.
type Scanner struct {
	in        *bufio.Reader
	names     map[string]string
	nameBytes int
}

// Scan calls f with every mapping in r, in order, and returns the number of lines that should
// be mappings. f may use the Mapping only until it returns, but may keep Path. Malformed lines
// are skipped. Once everything is read, Scan returns the first of them as an error that wraps
// ErrLine.
func (s *Scanner) Scan(r io.Reader, f func(*Mapping)) (lines int, err error) {
	r = io.LimitReader(r, maxBytes)
	if s.in == nil {
		s.in = bufio.NewReaderSize(r, maxLine)
	}
	s.in.Reset(r)
	defer s.in.Reset(nil)
	var m Mapping
	whole := false // m is a mapping that f has not seen yet
	for {
		line, readErr := s.line()
		switch {
		case len(line) == 0:
		case attribute(line):
			m.figure(line)
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

// ScanProcess scans the mappings of a process. It has none once it has ended.
func (s *Scanner) ScanProcess(pid int, f func(*Mapping)) (lines int, err error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	return s.Scan(file, f)
}

// line reads a line without its newline. A line that is too long comes in pieces, none of
// which is a mapping.
func (s *Scanner) line() ([]byte, error) {
	line, err := s.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return line, nil
	}
	return bytes.TrimSuffix(line, []byte("\n")), err
}

// attribute reports whether a line is a figure of smaps. Their names start with a capital
// letter, while addresses are in lower case.
func attribute(line []byte) bool { return line[0] >= 'A' && line[0] <= 'Z' }

// figure takes a line of smaps.
func (m *Mapping) figure(line []byte) {
	name, kb, _ := bytes.Cut(line, []byte(":"))
	switch string(name) {
	case "Rss":
		m.Rss = kilobytes(kb)
	case "Anonymous":
		m.Anonymous = kilobytes(kb)
	case "Private_Hugetlb", "Shared_Hugetlb":
		m.Hugetlb += kilobytes(kb)
	}
}

// kilobytes reads a figure of smaps and returns it in bytes.
func kilobytes(text []byte) uint64 {
	kb, _, _ := number(bytes.TrimLeft(text, " "), 10)
	return kb << 10
}
