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

// digits has the value of each lower-case digit, and 99 elsewhere.
var digits = func() (d [256]uint8) {
	for i := range d {
		d[i] = 99
	}
	for i, c := range []byte("0123456789abcdef") {
		d[c] = uint8(i)
	}
	return d
}()

// number reads the digits at the start of text, in base 16 or 10. It fails on numbers of more
// than 64 bits.
func number(text []byte, base uint64) (n uint64, rest []byte, ok bool) {
	const limit = 1 << 60 // below this there is room for another digit
	i := 0
	for ; i < len(text); i++ {
		digit := uint64(digits[text[i]])
		if digit >= base {
			break
		}
		if n >= limit && n > (^uint64(0)-digit)/base {
			return 0, text, false
		}
		n = n*base + digit
	}
	return n, text[i:], i > 0
}

// name returns text as a string, and reuses the string of a known name.
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
	// The kernel escapes only newlines.
	name := strings.ReplaceAll(string(text), `\012`, "\n")
	s.names[string(text)] = name
	s.nameBytes += len(text)
	return name
}
