package graph

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"memtrace/tracer/inspect/census"
	"memtrace/tracer/process/procmem"
)

// pages tells which pages of a process are its own: there, and neither a file's nor the kernel's
// page of zeros.
type pages struct {
	file    *os.File
	regions [512]pageRegion
	words   []byte
	// old: the kernel, before Linux 6.7, has no scan.
	old bool
}

// pageRegion is struct page_region of include/uapi/linux/fs.h.
type pageRegion struct{ start, end, _ uint64 }

// scanArgument is struct pm_scan_arg of include/uapi/linux/fs.h.
type scanArgument struct {
	size, flags, start, end, walkEnd, vector, length, most, inverted, all, any, result uint64
}

const (
	pagemapScan = 0xc0606610 // PAGEMAP_SCAN, _IOWR('f', 16, struct pm_scan_arg)

	pageIsFile, pageIsPresent, pageIsSwapped, pageIsZero = 1 << 2, 1 << 3, 1 << 4, 1 << 5

	// maxOldScan is the largest range that is looked at page by page on old kernels: 1 TiB. That
	// takes some seconds.
	maxOldScan = 1 << 40
)

var errTooLarge = errors.New("a mapping too large to look for its pages (needs Linux 6.7)")

func openPages(pid int) (*pages, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid))
	if err != nil {
		return nil, fmt.Errorf("look for pages: %w", err)
	}
	return &pages{file: file}, nil
}

func (p *pages) close() { _ = p.file.Close() } // it was only read

// own calls f with the pieces of a range that are the process's own.
func (p *pages) own(r census.Range, f func(census.Range)) error {
	page := uint64(os.Getpagesize())
	whole := census.Range{Start: r.Start / page * page, End: (r.End + page - 1) / page * page}
	clip := func(start, end uint64) {
		if start, end = max(start, r.Start), min(end, r.End); start < end {
			f(census.Range{Start: start, End: end})
		}
	}
	if !p.old {
		err := p.scan(whole, clip)
		if err == nil || !errors.Is(err, unix.ENOTTY) && !errors.Is(err, unix.EINVAL) {
			return err
		}
		p.old = true
	}
	return p.list(whole, clip)
}

// scan asks the kernel for the pages.
func (p *pages) scan(r census.Range, f func(start, end uint64)) error {
	for r.Start < r.End {
		a := scanArgument{
			size: uint64(unsafe.Sizeof(scanArgument{})), start: r.Start, end: r.End,
			vector: uint64(uintptr(unsafe.Pointer(&p.regions))), length: uint64(len(p.regions)),
			inverted: pageIsFile | pageIsZero, all: pageIsFile | pageIsZero, any: pageIsPresent | pageIsSwapped,
			result: pageIsPresent,
		}
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, p.file.Fd(), pagemapScan, uintptr(unsafe.Pointer(&a)))
		runtime.KeepAlive(p)
		if errno != 0 {
			return fmt.Errorf("look for pages: %w", errno)
		}
		for _, found := range p.regions[:min(int(n), len(p.regions))] {
			f(found.start, found.end)
		}
		if a.walkEnd <= r.Start {
			return nil // the kernel always gets on
		}
		r.Start = a.walkEnd
	}
	return nil
}

// list reads a word for each page.
func (p *pages) list(r census.Range, f func(start, end uint64)) error {
	if r.End-r.Start > maxOldScan {
		return errTooLarge
	}
	page := uint64(os.Getpagesize())
	if p.words == nil {
		p.words = make([]byte, 64<<10)
	}
	for r.Start < r.End {
		want := min((r.End-r.Start)/page*8, uint64(len(p.words)))
		n, err := p.file.ReadAt(p.words[:want], int64(r.Start/page*8))
		if n < 8 {
			if err == nil {
				return nil
			}
			return fmt.Errorf("look for pages: %w", err)
		}
		var run uint64 // its length in pages
		for i := 0; i+8 <= n; i += 8 {
			entry := procmem.Page(leWord(p.words[i:]))
			if entry.There() && !entry.OfFile() {
				run++
				r.Start += page
				continue
			}
			if run > 0 {
				f(r.Start-run*page, r.Start)
			}
			run = 0
			r.Start += page
		}
		if run > 0 {
			f(r.Start-run*page, r.Start)
		}
	}
	return nil
}
