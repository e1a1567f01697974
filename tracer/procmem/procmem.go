// Package procmem reads the memory of a running process from outside, many small
// pieces at a time. Nothing is stopped and nothing is changed: pages that are not
// there are not read, since that would map zero pages into the process, or wait
// for a user space that answers page faults (userfaultfd, FUSE) and may choose not
// to.
package procmem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Span is a piece of memory to read.
type Span struct {
	Addr uint64
	Buf  []byte
	// Own: the address is that of a module's data. Others come from the process's
	// memory, and are read only where a page is there.
	Own bool
	// OK is set where all of it was read, Absent where it was not because there
	// is no page.
	OK, Absent bool
}

// Word returns the little-endian word at an offset.
func (s *Span) Word(off uint64) uint64 { return binary.LittleEndian.Uint64(s.Buf[off:]) }

// Memory is the address space of a process. It is not safe for concurrent use.
type Memory struct {
	process *os.Process // a pidfd: tells when the pid is another's
	pagemap *os.File
	// there is which pages are there, 64 to a word, of those asked for in this
	// snapshot.
	there map[uint64]uint64

	// Kept from one reading to the next.
	ready   []*Span
	local   []unix.Iovec
	remote  []unix.RemoteIovec
	gaps    []int
	entries [64 * 8]byte
	dropped [maxGap]byte
}

// Open needs the permissions of ptrace to be of use.
func Open(pid int) (*Memory, error) {
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	pagemap, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid))
	if err != nil {
		_ = process.Release() // the first error tells
		return nil, fmt.Errorf("read the pages of process %d: %w", pid, err)
	}
	return &Memory{process: process, pagemap: pagemap, there: make(map[uint64]uint64)}, nil
}

// Close releases what Open took.
func (m *Memory) Close() error {
	return errors.Join(m.process.Release(), m.pagemap.Close())
}

// Alive ends a snapshot. It returns an error where the process has ended: what
// was read before is of this process if it has not, and of no other with the
// same pid.
func (m *Memory) Alive() error {
	clear(m.there)
	if err := m.process.Signal(syscall.Signal(0)); err != nil {
		return fmt.Errorf("process %d: %w", m.process.Pid, err)
	}
	return nil
}

// maxVectors is the most that process_vm_readv takes at once (UIO_MAXIOV).
const maxVectors = 1024

// Read fills the spans that can be read and marks them.
func (m *Memory) Read(spans []Span) {
	m.ready = m.ready[:0]
	for i := range spans {
		s := &spans[i]
		s.OK, s.Absent = false, false
		if len(s.Buf) == 0 || s.Addr+uint64(len(s.Buf)) < s.Addr {
			continue
		}
		if s.Absent = !s.Own && !m.present(s); !s.Absent {
			m.ready = append(m.ready, s)
		}
	}
	for ready := m.ready; len(ready) > 0; {
		ready = ready[m.readSome(ready):]
	}
}

// maxGap is how many bytes between two spans are read and dropped rather than
// start anew for the second: finding a page costs the kernel more.
const maxGap = 1024

// readSome reads the first spans, as many as one call takes and as can be read,
// and returns how many it is done with.
func (m *Memory) readSome(ready []*Span) (done int) {
	page := uint64(os.Getpagesize())
	m.local, m.remote, m.gaps = m.local[:0], m.remote[:0], m.gaps[:0]
	var end uint64
	for _, s := range ready {
		if len(m.local)+2 > maxVectors {
			break
		}
		gap := 0
		if s.Addr >= end && s.Addr-end <= maxGap && end > 0 && (end-1)/page == s.Addr/page {
			gap = int(s.Addr - end)
			m.remote[len(m.remote)-1].Len += gap + len(s.Buf)
		} else {
			m.remote = append(m.remote, unix.RemoteIovec{Base: uintptr(s.Addr), Len: len(s.Buf)})
		}
		if gap > 0 {
			m.local = append(m.local, vector(m.dropped[:gap]))
		}
		m.local = append(m.local, vector(s.Buf))
		m.gaps = append(m.gaps, gap)
		end = s.Addr + uint64(len(s.Buf))
	}
	n, err := unix.ProcessVMReadv(m.process.Pid, m.local, m.remote, 0)
	if err != nil {
		n = 0
	}
	for i, gap := range m.gaps {
		if n -= gap + len(ready[i].Buf); n < 0 {
			return i + 1 // the call ends at the first span that it cannot read
		}
		ready[i].OK = true
	}
	return len(m.gaps)
}

func vector(buf []byte) unix.Iovec {
	v := unix.Iovec{Base: &buf[0]}
	v.SetLen(len(buf))
	return v
}

const (
	// Bits of a word of /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst).
	pagePresent, pageSwapped = 1 << 63, 1 << 62
	// pageGuard (from 6.15) says that a page is none: glibc 2.42 guards stacks so.
	pageGuard = 1 << 58
)

// present reports whether all pages of a span are in memory or swapped out.
// Reading others would make the kernel map zero pages into the process, or
// wait for a user space that answers page faults (userfaultfd, FUSE) and may
// choose not to.
func (m *Memory) present(s *Span) bool {
	page := uint64(os.Getpagesize())
	first, last := s.Addr/page, (s.Addr+uint64(len(s.Buf))-1)/page
	for ; first <= last; first++ {
		group, asked := m.there[first/64]
		if !asked {
			group = m.readGroup(first / 64)
			m.there[first/64] = group
		}
		if group>>(first%64)&1 == 0 {
			return false
		}
	}
	return true
}

// readGroup asks for 64 pages at once: it costs about as much as for one.
func (m *Memory) readGroup(group uint64) (there uint64) {
	entries := &m.entries
	n, _ := m.pagemap.ReadAt(entries[:], int64(group*uint64(len(entries)))) // what is there serves
	for i := 0; i+8 <= n; i += 8 {
		entry := binary.LittleEndian.Uint64(entries[i:])
		if entry&(pagePresent|pageSwapped) != 0 && entry&pageGuard == 0 {
			there |= 1 << (i / 8)
		}
	}
	return there
}
