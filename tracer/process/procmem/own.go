package procmem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OwnPages tells which pages of a process are its own: there, and neither a file's nor the kernel's
// page of zeros.
type OwnPages struct {
	// On is called again and again by Own, unless it is nil, and ends it with an error.
	On func() error

	file    *os.File
	regions [512]pageRegion
	words   []byte
	// old: the kernel, before Linux 6.7, has no scan. noGuards: before 6.15 it does not tell guards, which
	// it calls swapped out.
	old, noGuards bool
}

const (
	scanIsFile, scanIsZero, scanIsGuard = 1 << 2, 1 << 5, 1 << 8

	// scanAtOnce is how much address space is scanned between two calls of On. That takes some tens of
	// milliseconds if all of it is there.
	scanAtOnce = 16 << 30

	// maxOldScan is the largest range that is looked at page by page on old kernels: 1 TiB. That
	// takes some seconds.
	maxOldScan = 1 << 40
)

var errTooLarge = errors.New("a mapping too large to look for its pages (needs Linux 6.7)")

// OpenOwnPages opens the pages of a process. It needs the permissions of ptrace.
func OpenOwnPages(pid int) (*OwnPages, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid))
	if err != nil {
		return nil, fmt.Errorf("look for pages: %w", err)
	}
	return &OwnPages{file: file}, nil
}

// Close releases what OpenOwnPages acquired.
func (p *OwnPages) Close() error { return p.file.Close() }

// Own calls f with the pieces of a range that are the process's own, in memory or swapped out.
func (p *OwnPages) Own(start, end uint64, f func(start, end uint64, swapped bool)) error {
	page := uint64(os.Getpagesize())
	clip := func(from, to uint64, swapped bool) {
		if from, to = max(from, start), min(to, end); from < to {
			f(from, to, swapped)
		}
	}
	first, last := start/page*page, (end+page-1)/page*page
	if !p.old {
		err := p.scan(first, last, clip)
		if errors.Is(err, unix.EINVAL) && !p.noGuards {
			p.noGuards = true
			err = p.scan(first, last, clip)
		}
		if err == nil || !errors.Is(err, unix.ENOTTY) && !errors.Is(err, unix.EINVAL) {
			return err
		}
		p.old = true
	}
	return p.list(first, last, clip)
}

// scan asks the kernel for the pages.
func (p *OwnPages) scan(start, end uint64, f func(start, end uint64, swapped bool)) error {
	without := uint64(scanIsFile | scanIsZero | scanIsGuard)
	if p.noGuards {
		without &^= scanIsGuard
	}
	for start < end {
		if err := p.on(); err != nil {
			return err
		}
		a := pagemapScan{
			start: start, end: min(end, start+scanAtOnce), vec: unsafe.Pointer(&p.regions), vecLen: uint64(len(p.regions)),
			inverted: without, mask: without, any: scanIsPresent | scanSwapped, back: scanIsPresent | scanSwapped,
		}
		a.size = uint64(unsafe.Sizeof(a))
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, p.file.Fd(), pagemapScanRequest, uintptr(unsafe.Pointer(&a)))
		if errno != 0 {
			return fmt.Errorf("look for pages: %w", errno)
		}
		for _, found := range p.regions[:min(int(n), len(p.regions))] {
			f(found.start, found.end, found.categories&scanIsPresent == 0)
		}
		if a.walkEnd <= start {
			return nil // the kernel always gets on
		}
		start = a.walkEnd
	}
	return nil
}

func (p *OwnPages) on() error {
	if p.On == nil {
		return nil
	}
	return p.On()
}

// list reads a word for each page.
func (p *OwnPages) list(start, end uint64, f func(start, end uint64, swapped bool)) error {
	if end-start > maxOldScan {
		return errTooLarge
	}
	page := uint64(os.Getpagesize())
	if p.words == nil {
		p.words = make([]byte, 64<<10)
	}
	for start < end {
		if err := p.on(); err != nil {
			return err
		}
		want := min((end-start)/page*8, uint64(len(p.words)))
		n, err := p.file.ReadAt(p.words[:want], int64(start/page*8))
		if n < 8 {
			if err == nil {
				return nil
			}
			return fmt.Errorf("look for pages: %w", err)
		}
		var run uint64 // its length in pages
		state := Absent
		flush := func(next State) {
			if run > 0 && state != Absent {
				f(start-run*page, start, state == Swapped)
			}
			run, state = 0, next
		}
		for i := 0; i+8 <= n; i += 8 {
			entry := Page(leWord(p.words[i:]))
			now := entry.State()
			if entry.OfFile() {
				now = Absent
			}
			if now != state {
				flush(now)
			}
			run++
			start += page
		}
		flush(Absent)
	}
	return nil
}

func leWord(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
