package procmem

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// Page is what the kernel tells of a page: a word of /proc/PID/pagemap
// (Documentation/admin-guide/mm/pagemap.rst).
type Page uint64

const (
	pagePresent, pageSwapped = 1 << 63, 1 << 62
	// pageOfFile: the page belongs to a file or to shared memory.
	pageOfFile = 1 << 61
	// pageGuard (from 6.15) marks a guard, which is not a page. glibc 2.42 guards stacks like
	// that.
	pageGuard = 1 << 58
)

// Resident reports whether a page is in memory.
func (p Page) Resident() bool { return p&pagePresent != 0 }

// OfFile reports whether a page belongs to a file or to shared memory. A page of a private mapping
// of a file that was written to does not: it is a copy.
func (p Page) OfFile() bool { return p&pageOfFile != 0 }

// There reports whether a page has content, in memory or swapped out. Reading any other page
// makes the kernel fill it.
func (p Page) There() bool { return p&(pagePresent|pageSwapped) != 0 && p&pageGuard == 0 }

// Pages fills words, 8 bytes each and little-endian, with the Pages from that of addr on. It
// returns how many it filled.
func (m *Memory) Pages(addr uint64, words []byte) int {
	if m.copied == nil {
		return m.livePages(addr, words)
	}
	page := uint64(os.Getpagesize())
	for i := range len(words) / 8 {
		binary.LittleEndian.PutUint64(words[8*i:], uint64(m.copied.page(m, addr/page*page+uint64(i)*page)))
	}
	return len(words) / 8
}

// livePages is Pages of the process.
func (m *Memory) livePages(addr uint64, words []byte) int {
	n, err := unix.Pread(m.pagemap, words, int64(addr/uint64(os.Getpagesize())*8))
	if err != nil {
		return 0
	}
	return n / 8
}
