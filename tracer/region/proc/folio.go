package proc

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"memtrace/tracer/process/procmem"
)

// Flags of /proc/kpageflags (include/uapi/linux/kernel-page-flags.h).
const (
	headPage = 1 << 15 // KPF_COMPOUND_HEAD
	tailPage = 1 << 16 // KPF_COMPOUND_TAIL
	thpPage  = 1 << 22 // KPF_THP
	// frameMask is the page frame number in a word of pagemap.
	frameMask = 1<<55 - 1
	// mostPages is the number of pages in a huge page of 2 MiB.
	mostPages = 512
)

// Folios tells how much memory came with a page, since one fault may bring in a huge page. It
// is not safe for concurrent use.
type Folios struct {
	pagemap, flags int
	buf            [8 * mostPages]byte
}

// OpenFolios opens process pid. Where the kernel does not report huge pages, every page is
// taken for a small one.
func OpenFolios(pid int) (*Folios, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/pagemap", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the page map of process %d: %w", pid, typed(err))
	}
	f := &Folios{pagemap: fd}
	if f.flags, err = unix.Open("/proc/kpageflags", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		f.flags = -1
	}
	return f, nil
}

// Close closes the open files.
func (f *Folios) Close() error {
	if f.flags >= 0 {
		_ = unix.Close(f.flags)
	}
	return unix.Close(f.pagemap)
}

func (f *Folios) word(fd int, index uint64) uint64 {
	if n, err := unix.Pread(fd, f.buf[:8], int64(8*index)); n != 8 || err != nil {
		return 0
	}
	return binary.LittleEndian.Uint64(f.buf[:8])
}

// Present reports whether the page of addr is in memory.
func (f *Folios) Present(addr uint64) bool { return f.Page(addr).Resident() }

// Page returns what the kernel tells of the page of addr.
func (f *Folios) Page(addr uint64) procmem.Page {
	return procmem.Page(f.word(f.pagemap, addr/uint64(os.Getpagesize())))
}

// Size returns the size in bytes of the page at addr as the kernel allocated it, which is more
// than a small page for a huge one. It returns the size of a small page for what is not in
// memory (yet).
func (f *Folios) Size(addr uint64) uint64 {
	page := uint64(os.Getpagesize())
	word := f.word(f.pagemap, addr/page)
	frame := word & frameMask
	if !procmem.Page(word).Resident() || frame == 0 || f.flags < 0 || f.word(f.flags, frame)&thpPage == 0 {
		return page
	}
	first := frame &^ (mostPages - 1)
	n, err := unix.Pread(f.flags, f.buf[:], int64(8*first))
	if err != nil {
		return page
	}
	at := func(i int) uint64 { return binary.LittleEndian.Uint64(f.buf[8*i:]) }
	head, end := int(frame-first), int(frame-first)+1
	for head > 0 && at(head)&headPage == 0 {
		head--
	}
	for end < n/8 && at(end)&tailPage != 0 {
		end++
	}
	return uint64(end-head) * page
}
