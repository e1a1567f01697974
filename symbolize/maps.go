package symbolize

import (
	"io"
	"strings"

	"memtrace/symbolize/procmaps"
)

// maxExecutable bounds the executable mappings that are followed.
const maxExecutable = 1 << 16

// mapsEntry is one executable mapping in /proc/PID/maps.
type mapsEntry struct {
	start, end, offset uint64
	dev, inode         uint64
	// path is as the kernel shows it: a path, a name in brackets or nothing.
	path string
}

func entryOf(m *procmaps.Mapping) mapsEntry {
	return mapsEntry{m.Start, m.End, m.Offset, m.Dev, m.Inode, m.Path}
}

// fileBacked reports whether the mapping is of a file or of something like one: shared memory
// and memfds have inodes too.
func (e *mapsEntry) fileBacked() bool { return e.inode != 0 && strings.HasPrefix(e.path, "/") }

const deletedSuffix = " (deleted)"

// name returns the path without the kernel's mark for an unlinked file.
func (e *mapsEntry) name() string { return strings.TrimSuffix(e.path, deletedSuffix) }

// parseMaps returns the executable mappings in r and the number of mappings of any kind.
// Malformed lines are skipped; the first of them is returned as an error along with the rest.
func parseMaps(r io.Reader) (executable []mapsEntry, total int, err error) {
	var s procmaps.Scanner
	total, err = s.Scan(r, func(m *procmaps.Mapping) {
		if m.Perms&procmaps.Exec != 0 && len(executable) < maxExecutable {
			executable = append(executable, entryOf(m))
		}
	})
	return executable, total, err
}
