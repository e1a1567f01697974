package procmem

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pagemapScan is the argument of the ioctl PAGEMAP_SCAN, from Linux 6.7 (struct pm_scan_arg in
// linux/fs.h). A vec is an array of pageRegion.
type pagemapScan struct {
	size, flags, start, end, walkEnd            uint64
	vec                                         unsafe.Pointer
	vecLen, maxPages, inverted, mask, any, back uint64
}

type pageRegion struct{ start, end, categories uint64 }

const (
	pagemapScanRequest         = 0xc0606610 // _IOWR('f', 16, struct pm_scan_arg)
	scanIsPresent, scanSwapped = 1 << 3, 1 << 4
)

// NextThere returns the address of the first page that is there, from addr's page on, or end if there
// is none before that. Where the kernel cannot tell without being asked for each page, it returns
// addr.
func (m *Memory) NextThere(addr, end uint64) uint64 {
	page := uint64(os.Getpagesize())
	if m.copied != nil && addr < end {
		return m.copied.next(addr, end)
	}
	if m.noScan || end <= addr {
		return addr
	}
	var found pageRegion
	scan := pagemapScan{
		start: addr &^ (page - 1), end: (end + page - 1) &^ (page - 1), vec: unsafe.Pointer(&found), vecLen: 1, maxPages: 1,
		any: scanIsPresent | scanSwapped, back: scanIsPresent | scanSwapped,
	}
	scan.size = uint64(unsafe.Sizeof(scan))
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(m.pagemap), pagemapScanRequest, uintptr(unsafe.Pointer(&scan)))
	switch {
	case errno == unix.ENOTTY || errno == unix.EINVAL:
		m.noScan = true
		return addr
	case errno != 0:
		return addr
	case n == 0:
		return end
	}
	return min(end, max(addr, found.start))
}
