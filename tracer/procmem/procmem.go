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
	// Own: the address is one of a module's data, where a page that is not there
	// may be read.
	Own bool
	// OK is set where all of it was read.
	OK bool
}

// Word returns the little-endian word at an offset.
func (s *Span) Word(off uint64) uint64 { return binary.LittleEndian.Uint64(s.Buf[off:]) }

// Memory is the address space of a process. It is not safe for concurrent use.
type Memory struct {
	process *os.Process // a pidfd: tells when the pid is another's
	pagemap *os.File
	// there is which pages are there, 64 to a word, of those asked for since the
	// last Alive.
	there  map[uint64]uint64
	ready  []*Span
	local  []unix.Iovec
	remote []unix.RemoteIovec
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
		s.OK = false
		if len(s.Buf) > 0 && s.Addr+uint64(len(s.Buf)) > s.Addr && (s.Own || m.present(s)) {
			m.ready = append(m.ready, s)
		}
	}
	for ready := m.ready; len(ready) > 0; {
		ready = ready[m.readBatch(ready[:min(len(ready), maxVectors)]):]
	}
	clear(m.ready)
}

// readBatch reads spans up to and with the first that cannot be read, and returns
// their number.
func (m *Memory) readBatch(batch []*Span) int {
	m.local, m.remote = m.local[:0], m.remote[:0]
	for _, s := range batch {
		v := unix.Iovec{Base: &s.Buf[0]}
		v.SetLen(len(s.Buf))
		m.local = append(m.local, v)
		m.remote = append(m.remote, unix.RemoteIovec{Base: uintptr(s.Addr), Len: len(s.Buf)})
	}
	n, err := unix.ProcessVMReadv(m.process.Pid, m.local, m.remote, 0)
	if err != nil {
		n = 0
	}
	done := 0
	for ; done < len(batch) && n >= len(batch[done].Buf); done++ {
		batch[done].OK = true
		n -= len(batch[done].Buf)
	}
	return min(done+1, len(batch))
}

const (
	// Bits of a word of /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst).
	pagePresent, pageSwapped = 1 << 63, 1 << 62
)

// present reports whether all pages of a span are in memory or swapped out.
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
	var entries [64 * 8]byte
	n, _ := m.pagemap.ReadAt(entries[:], int64(group*uint64(len(entries)))) // what is there serves
	for i := 0; i+8 <= n; i += 8 {
		if binary.LittleEndian.Uint64(entries[i:])&(pagePresent|pageSwapped) != 0 {
			there |= 1 << (i / 8)
		}
	}
	return there
}
