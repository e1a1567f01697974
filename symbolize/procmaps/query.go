package procmaps

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrNoQuery means that the kernel, before Linux 6.11, has no query for single mappings.
var ErrNoQuery = errors.New("the kernel does not tell of single mappings")

// Query asks for single mappings of one process. That takes a few microseconds, while a
// listing takes as long for each mapping. It is not safe for concurrent use.
type Query struct {
	file *os.File
	name [unix.PathMax]byte
}

// procmapQuery is struct procmap_query of include/uapi/linux/fs.h.
type procmapQuery struct {
	size, flags, addr              uint64
	start, end, vmaFlags, pageSize uint64
	offset, inode                  uint64
	major, minor                   uint32
	nameSize, buildIDSize          uint32
	nameAddr, buildIDAddr          uint64
}

const (
	procmapQueryRequest = 0xc0686611 // PROCMAP_QUERY, _IOWR('f', 17, struct procmap_query)
	coveringOrNext      = 0x10       // PROCMAP_QUERY_COVERING_OR_NEXT_VMA
)

// OpenQuery opens a process. It returns ErrNoQuery if the kernel does not support queries.
func OpenQuery(pid int) (*Query, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	q := &Query{file: file}
	var m Mapping
	if _, err := q.Next(0, &m); errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
		file.Close()
		return nil, ErrNoQuery
	}
	return q, nil
}

// Next sets m to the mapping that holds addr, or else to the next one above it. It returns
// false if there is none, and an error if the process has ended or has executed another
// program since OpenQuery.
func (q *Query) Next(addr uint64, m *Mapping) (bool, error) {
	query := procmapQuery{
		size: uint64(unsafe.Sizeof(procmapQuery{})), flags: coveringOrNext, addr: addr,
		nameSize: uint32(len(q.name)), nameAddr: uint64(uintptr(unsafe.Pointer(&q.name[0]))),
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, q.file.Fd(), procmapQueryRequest, uintptr(unsafe.Pointer(&query)))
	runtime.KeepAlive(q)
	switch errno {
	case 0:
	case unix.ENOENT:
		return false, nil
	default:
		return false, fmt.Errorf("look at the mapping at %#x: %w", addr, errno)
	}
	name := q.name[:min(query.nameSize, uint32(len(q.name)))]
	*m = Mapping{
		Start: query.start, End: query.end, Offset: query.offset,
		Dev: unix.Mkdev(query.major, query.minor), Inode: query.inode,
		Path: string(bytes.TrimRight(name, "\x00")),
	}
	// The bits of the query have the same order as the letters of a line.
	m.Perms = Perms(query.vmaFlags) & (Read | Write | Exec | Shared)
	return true, nil
}

// Close closes the query.
func (q *Query) Close() error { return q.file.Close() }
