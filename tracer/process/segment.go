package process

import (
	"strings"

	"memtrace/symbolize/patience"
	"memtrace/symbolize/procmaps"
)

// segmentSize returns the size of the System V segment that shmat has just attached at an address,
// 0 if it is gone again or that cannot be told. The system call does not say it. It takes some
// microseconds from Linux 6.11 on, and before that as long as a listing of the mappings.
func (p *Process) segmentSize(addr, id uint64) uint64 {
	if p.segmentsHang.Load() {
		return 0
	}
	size, err := patience.Do(patience.Limit, "the mappings of the process", func() (uint64, error) {
		return attachedSize(p.pid, addr, id), nil
	}, nil)
	if err != nil {
		p.segmentsHang.Store(true)
	}
	return size
}

// attachedSize looks for what is left of a segment. Its mappings have the number of the segment
// for an inode, and begin where they lie in it.
func attachedSize(pid int, addr, id uint64) (size uint64) {
	see := func(m *procmaps.Mapping) bool {
		of := m.Start >= addr && m.Start-m.Offset == addr && m.Inode == id && strings.HasPrefix(m.Path, "/SYSV")
		if of {
			size = m.End - addr
		}
		return of
	}
	q, err := procmaps.OpenQuery(pid)
	if err != nil {
		_ = eachMapping(uint32(pid), func(m *procmaps.Mapping) { see(m) }) // an error leaves it unknown
		return size
	}
	defer func() { _ = q.Close() }() // it was only read
	var m procmaps.Mapping
	for at := addr; ; at = m.End {
		if more, err := q.Next(at, &m); err != nil || !more || !see(&m) {
			return size
		}
	}
}
