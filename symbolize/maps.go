package symbolize

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// maxMapsBytes is the most that is read of /proc/PID/maps. The kernel's
	// default limit of 65,530 mappings takes some 8 MB.
	maxMapsBytes = 256 << 20
	// maxMapsLine holds a path of PATH_MAX bytes, each escaped.
	maxMapsLine = 5 * unix.PathMax
	// maxExecutable bounds the executable mappings that are followed.
	maxExecutable = 1 << 16
)

var errMapsLine = errors.New("malformed line")

// mapsEntry is one executable mapping as /proc/PID/maps shows it.
type mapsEntry struct {
	start, end, offset uint64
	dev, inode         uint64
	// path is what the kernel shows: a path, a name in brackets or nothing.
	path string
}

// fileBacked reports whether the mapping is of a file, or of something like
// one: shared memory and memfds have inodes as well.
func (e *mapsEntry) fileBacked() bool { return e.inode != 0 && strings.HasPrefix(e.path, "/") }

const deletedSuffix = " (deleted)"

// name is the path without the kernel's mark for a file that was unlinked.
func (e *mapsEntry) name() string { return strings.TrimSuffix(e.path, deletedSuffix) }

// parseMaps returns the executable mappings in r, and how many mappings of any
// kind there are. Lines that it does not understand are skipped and the first
// of them is returned as an error with the rest.
func parseMaps(r io.Reader) (executable []mapsEntry, total int, err error) {
	in := bufio.NewReaderSize(io.LimitReader(r, maxMapsBytes), maxMapsLine)
	for {
		line, readErr := in.ReadSlice('\n')
		if readErr != nil && readErr != io.EOF {
			return executable, total, errors.Join(err, readErr)
		}
		if line = bytes.TrimSuffix(line, []byte("\n")); len(line) > 0 {
			total++
			entry, perms, lineErr := parseMapsLine(string(line))
			switch {
			case lineErr != nil:
				if err == nil {
					err = fmt.Errorf("%.100q: %w", line, lineErr)
				}
			case perms[2] == 'x' && len(executable) < maxExecutable:
				executable = append(executable, entry)
			}
		}
		if readErr == io.EOF {
			return executable, total, err
		}
	}
}

// parseMapsLine parses "start-end perms offset major:minor inode   path".
func parseMapsLine(line string) (e mapsEntry, perms string, err error) {
	field := func() string {
		f, rest, _ := strings.Cut(line, " ")
		line = strings.TrimLeft(rest, " ")
		return f
	}
	number := func(s string, base int) uint64 {
		n, parseErr := strconv.ParseUint(s, base, 64)
		if parseErr != nil {
			err = errMapsLine
		}
		return n
	}
	start, end, _ := strings.Cut(field(), "-")
	e.start, e.end = number(start, 16), number(end, 16)
	perms = field()
	e.offset = number(field(), 16)
	major, minor, _ := strings.Cut(field(), ":")
	e.dev = unix.Mkdev(uint32(number(major, 16)), uint32(number(minor, 16)))
	e.inode = number(field(), 10)
	// The kernel escapes newlines alone.
	e.path = strings.ReplaceAll(line, `\012`, "\n")
	if len(perms) < 4 || e.start >= e.end {
		err = errMapsLine
	}
	return e, perms, err
}
