package procmem

import (
	"errors"
	"fmt"
	"os"
	"sort"

	"golang.org/x/sys/unix"
)

// Copy is a copy of pages of a process, as they were at one moment. A Memory that uses it reads from
// it what was copied, and of the process only pages that were and are unchanged ones of files.
type Copy struct {
	// Maps is the text of /proc/PID/maps at that moment.
	Maps []byte

	buf  []byte
	used int
	// runs are what was copied, swapped what was not because it was swapped out, and files the
	// mappings of files, each by address and apart.
	runs, swapped, files []run
}

// run is a range of whole pages, and where its copy is.
type run struct {
	start, end uint64
	off        int
}

// ErrRoom means that there is no room for a copy.
var ErrRoom = errors.New("no room for a copy")

// NewCopy makes room for a copy of so many bytes. The room is there at once, so that to fill it later
// takes no longer than it must.
func NewCopy(bytes uint64) (*Copy, error) {
	page := uint64(os.Getpagesize())
	bytes = max((bytes+page-1)/page*page, page)
	if bytes > 1<<46 {
		return nil, ErrRoom
	}
	buf, err := unix.Mmap(-1, 0, int(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("%w of %d bytes: %w", ErrRoom, bytes, err)
	}
	_ = unix.Madvise(buf, unix.MADV_HUGEPAGE) // it is faster where the kernel has them
	for i := 0; i < len(buf); i += int(page) {
		buf[i] = 1
	}
	return &Copy{buf: buf}, nil
}

// Close gives the room back. No Memory may use the Copy any more.
func (c *Copy) Close() error { return unix.Munmap(c.buf) }

// Reset empties the copy.
func (c *Copy) Reset() {
	c.used, c.runs, c.swapped, c.files = 0, c.runs[:0], c.swapped[:0], c.files[:0]
}

// Bytes is how much was copied.
func (c *Copy) Bytes() uint64 { return uint64(c.used) }

// copyPiece is how much Take reads between two looks at whether to go on.
const copyPiece = 4 << 20

// Take copies pages of the process's memory, which come behind those that were copied before. What
// cannot be read is left out. It stops, with an error, if there is no room, or if on returns one.
func (c *Copy) Take(m *Memory, start, end uint64, on func() error) error {
	if end-start > uint64(len(c.buf)-c.used) {
		return ErrRoom
	}
	page := uint64(os.Getpagesize())
	for start < end {
		if err := on(); err != nil {
			return err
		}
		n := uint64(m.live(c.buf[c.used:c.used+int(min(end-start, copyPiece))], start)) / page * page
		if n == 0 {
			start += page // a device's, perhaps
			continue
		}
		if last := len(c.runs) - 1; last >= 0 && c.runs[last].end == start {
			c.runs[last].end += n
		} else {
			c.runs = append(c.runs, run{start, start + n, c.used})
		}
		c.used += int(n)
		start += n
	}
	return nil
}

// Swapped notes pages that were swapped out, and so not copied. They come behind those before.
func (c *Copy) Swapped(start, end uint64) { c.swapped = append(c.swapped, run{start: start, end: end}) }

// OfFile notes a mapping of a file. They come in order.
func (c *Copy) OfFile(start, end uint64) { c.files = append(c.files, run{start: start, end: end}) }

// Own calls f with the pieces of a range that are copied or were swapped out.
func (c *Copy) Own(start, end uint64, f func(start, end uint64, swapped bool)) {
	for k, list := range [][]run{c.runs, c.swapped} {
		for i := after(list, start); i < len(list) && list[i].start < end; i++ {
			f(max(list[i].start, start), min(list[i].end, end), k == 1)
		}
	}
}

// after returns the first run that ends behind an address.
func after(list []run, addr uint64) int {
	return sort.Search(len(list), func(i int) bool { return list[i].end > addr })
}

// in returns the run that holds an address, or nil.
func in(list []run, addr uint64) *run {
	if i := after(list, addr); i < len(list) && list[i].start <= addr {
		return &list[i]
	}
	return nil
}

// read is Memory.readAt.
func (c *Copy) read(m *Memory, buf []byte, addr uint64) (n int) {
	for n < len(buf) {
		at := addr + uint64(n)
		i := after(c.runs, at)
		if i < len(c.runs) && c.runs[i].start <= at {
			r := &c.runs[i]
			n += copy(buf[n:], c.buf[r.off+int(at-r.start):r.off+int(r.end-r.start)])
			continue
		}
		file := in(c.files, at)
		if file == nil {
			break
		}
		end := file.end
		if i < len(c.runs) {
			end = min(end, c.runs[i].start)
		}
		want := min(uint64(len(buf)-n), end-at)
		got := m.live(buf[n:n+int(want)], at)
		n += got
		if uint64(got) < want {
			break
		}
	}
	return n
}

// page returns what there was of a page.
func (c *Copy) page(m *Memory, addr uint64) Page {
	switch {
	case in(c.runs, addr) != nil:
		return pagePresent
	case in(c.swapped, addr) != nil:
		return pageSwapped
	case in(c.files, addr) != nil:
		var word [8]byte
		if m.livePages(addr, word[:]) == 1 {
			if p := Page(leWord(word[:])); p.OfFile() {
				return p
			}
		}
	}
	return 0
}

// next is Memory.NextThere.
func (c *Copy) next(addr, end uint64) uint64 {
	first := end
	for _, list := range [][]run{c.runs, c.swapped, c.files} {
		if i := after(list, addr); i < len(list) {
			first = min(first, max(list[i].start, addr))
		}
	}
	return first
}
