package ptmalloc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// span is a piece of memory to read.
type span struct {
	addr uint64
	buf  []byte
	// own: the address is that of libc's data. Others come from the process's
	// memory, and are read only where a page is there.
	own bool
	// ok is set where all of it was read, absent where it was not because there
	// is no page.
	ok, absent bool
}

// word returns the little-endian word at an offset.
func (s *span) word(off uint64) uint64 { return binary.LittleEndian.Uint64(s.buf[off:]) }

// memory reads the address space of a process.
type memory interface {
	// read fills the spans that can be read and marks them.
	read(spans []span)
}

// processMemory reads a running process.
type processMemory struct {
	process *os.Process // a pidfd: tells when the pid is another's
	pagemap *os.File
	// there is which pages are there, 64 to a word, of those asked for in this
	// snapshot.
	there map[uint64]uint64

	// Kept from one reading to the next.
	ready   []*span
	local   []unix.Iovec
	remote  []unix.RemoteIovec
	entries [64 * 8]byte
}

func openMemory(pid int) (*processMemory, error) {
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	pagemap, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid))
	if err != nil {
		_ = process.Release() // the first error tells
		return nil, fmt.Errorf("read the pages of process %d: %w", pid, err)
	}
	return &processMemory{process: process, pagemap: pagemap, there: make(map[uint64]uint64)}, nil
}

func (m *processMemory) close() error {
	return errors.Join(m.process.Release(), m.pagemap.Close())
}

// alive ends a snapshot. It returns an error where the process has ended: what
// was read before is of this process if it has not, and of no other with the
// same pid.
func (m *processMemory) alive() error {
	clear(m.there)
	if err := m.process.Signal(syscall.Signal(0)); err != nil {
		return fmt.Errorf("process %d: %w", m.process.Pid, err)
	}
	return nil
}

// maxVectors is the most that process_vm_readv takes at once (UIO_MAXIOV).
const maxVectors = 1024

func (m *processMemory) read(spans []span) {
	m.ready = m.ready[:0]
	for i := range spans {
		s := &spans[i]
		s.ok, s.absent = false, false
		if len(s.buf) == 0 || s.addr+uint64(len(s.buf)) < s.addr {
			continue
		}
		if s.absent = !s.own && !m.present(s); !s.absent {
			m.ready = append(m.ready, s)
		}
	}
	local, remote := m.local, m.remote
	for ready := m.ready; len(ready) > 0; {
		batch := ready[:min(len(ready), maxVectors)]
		local, remote = local[:0], remote[:0]
		for _, s := range batch {
			v := unix.Iovec{Base: &s.buf[0]}
			v.SetLen(len(s.buf))
			local = append(local, v)
			remote = append(remote, unix.RemoteIovec{Base: uintptr(s.addr), Len: len(s.buf)})
		}
		n, err := unix.ProcessVMReadv(m.process.Pid, local, remote, 0)
		if err != nil {
			n = 0
		}
		done := 0
		for ; done < len(batch) && n >= len(batch[done].buf); done++ {
			batch[done].ok = true
			n -= len(batch[done].buf)
		}
		if done < len(batch) {
			done++ // the call ends at the first span that it cannot read
		}
		ready = ready[done:]
	}
	m.local, m.remote = local[:0], remote[:0]
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
func (m *processMemory) present(s *span) bool {
	page := uint64(os.Getpagesize())
	first, last := s.addr/page, (s.addr+uint64(len(s.buf))-1)/page
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
func (m *processMemory) readGroup(group uint64) (there uint64) {
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
