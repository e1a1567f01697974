package procmaps

import (
	"bytes"
	"strings"

	"golang.org/x/sys/unix"
)

// parse reads "start-end perms offset major:minor inode   path" into m.
func (s *Scanner) parse(line []byte, m *Mapping) bool {
	var fields [6]uint64
	for i, base := range [...]uint64{16, 16} {
		n, rest, ok := number(line, base)
		if !ok || len(rest) == 0 || rest[0] != "- "[i] {
			return false
		}
		fields[i], line = n, rest[1:]
	}
	if len(line) < 5 || line[4] != ' ' {
		return false
	}
	perms := permsOf(line)
	line = line[5:]
	for i, end := range [...]byte{' ', ':', ' ', 0} {
		base := uint64(16)
		if end == 0 {
			base = 10 // the inode
		}
		n, rest, ok := number(line, base)
		if !ok || end != 0 && (len(rest) == 0 || rest[0] != end) {
			return false
		}
		if end != 0 {
			rest = rest[1:]
		}
		fields[2+i], line = n, rest
	}
	if len(line) > 0 && line[0] != ' ' {
		return false
	}
	*m = Mapping{
		Start: fields[0], End: fields[1], Offset: fields[2],
		Dev: unix.Mkdev(uint32(fields[3]), uint32(fields[4])), Inode: fields[5],
		Path: s.name(bytes.TrimLeft(line, " ")), Perms: perms,
	}
	return m.Start < m.End
}

func permsOf(s []byte) (p Perms) {
	for i, bit := range [...]Perms{Read, Write, Exec, Shared} {
		if s[i] == "rwxs"[i] {
			p |= bit
		}
	}
	return p
}

// number reads the digits that text begins with.
func number(text []byte, base uint64) (n uint64, rest []byte, ok bool) {
	for i, c := range text {
		digit := uint64(99)
		switch {
		case c >= '0' && c <= '9':
			digit = uint64(c - '0')
		case c >= 'a' && c <= 'f':
			digit = uint64(c-'a') + 10
		}
		if digit >= base {
			return n, text[i:], i > 0
		}
		if n > (^uint64(0)-digit)/base {
			return 0, text, false
		}
		n = n*base + digit
	}
	return n, nil, len(text) > 0
}

// name returns text as a string, the one of before if it is known.
func (s *Scanner) name(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if known, ok := s.names[string(text)]; ok {
		return known
	}
	if s.names == nil || s.nameBytes+len(text) > maxNames {
		s.names, s.nameBytes = make(map[string]string), 0
	}
	// The kernel escapes newlines alone.
	name := strings.ReplaceAll(string(text), `\012`, "\n")
	s.names[string(text)] = name
	s.nameBytes += len(text)
	return name
}
