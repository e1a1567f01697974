// Package procmem reads the memory of a running process from outside, many small pieces at a
// time. It stops nothing and changes nothing.
//
// It reads through /proc/PID/mem. With process_vm_readv the kernel would copy, for good, every
// page that the process still shares with a forked parent or child. It reads only pages that
// are there. Reading another page would map a zero page into the process, or wait for a
// user-space program that answers page faults (userfaultfd, FUSE) and may choose not to.
package procmem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Span is a piece of memory to read. It is read only if all its pages are there.
type Span struct {
	Addr uint64
	Buf  []byte
	// Own: the span is module data that the process has written to, and is read only where
	// that shows. A file mapped over it does not count.
	Own bool
	// OK is set if the whole span was read. Absent is set if it was not read because a page is
	// missing.
	OK, Absent bool
}

// Word returns the little-endian word at an offset.
func (s *Span) Word(off uint64) uint64 { return binary.LittleEndian.Uint64(s.Buf[off:]) }

// Memory is the address space that a process had when it was opened. After an exec nothing of
// it can be read any more. It is not safe for concurrent use.
type Memory struct {
	process      *os.Process // a pidfd, which tells when the process has ended
	mem, pagemap int
	noScan       bool // the kernel has no PAGEMAP_SCAN
	// copied is read in place of the process, unless it is nil.
	copied *Copy
	// groups is what is known of pages in this snapshot. The key is the number of a group's
	// first page, divided by 64.
	groups map[uint64]group

	// The following are reused from one reading to the next.
	ready   []*Span
	entries [64 * 8]byte
	buf     [bufSize]byte
}

// group says which of 64 pages are there, and which are the process's own: neither of a file
// nor shared memory.
type group struct{ there, own uint64 }

// bufSize is the most that is read at once for several spans.
const bufSize = 64 << 10

// Open opens the memory of a process. It needs the permissions of ptrace.
func Open(pid int) (*Memory, error) {
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	m, err := openIn(unix.AT_FDCWD, fmt.Sprintf("/proc/%d/", pid))
	if err == nil {
		m.process = process
		err = m.Alive() // the PID had not been reused
	}
	if err != nil {
		_ = process.Release() // the first error counts
		return nil, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	return m, nil
}

// OpenIn opens the address space of the process whose /proc directory is open as folder. Alive
// of the result does not tell whether the process has ended.
func OpenIn(folder int) (*Memory, error) { return openIn(folder, "") }

func openIn(folder int, prefix string) (*Memory, error) {
	mem, err := unix.Openat(folder, prefix+"mem", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	pagemap, err := unix.Openat(folder, prefix+"pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = unix.Close(mem) // the first error counts
		return nil, err
	}
	return &Memory{mem: mem, pagemap: pagemap, groups: make(map[uint64]group)}, nil
}

// Close releases what Open acquired.
func (m *Memory) Close() error {
	err := errors.Join(unix.Close(m.mem), unix.Close(m.pagemap))
	if m.process != nil {
		err = errors.Join(err, m.process.Release())
	}
	return err
}

// Use has a copy read in place of the process, or the process itself if it is nil.
func (m *Memory) Use(c *Copy) {
	clear(m.groups)
	m.copied = c
}

// Alive ends a snapshot: it forgets what is known of pages. It returns an error if the process
// has ended.
func (m *Memory) Alive() error {
	clear(m.groups)
	if m.process == nil {
		return nil
	}
	if err := m.process.Signal(syscall.Signal(0)); err != nil {
		return fmt.Errorf("process %d: %w", m.process.Pid, err)
	}
	return nil
}

// Read fills the spans that can be read and marks them.
func (m *Memory) Read(spans []Span) {
	m.ready = m.ready[:0]
	for i := range spans {
		s := &spans[i]
		s.OK, s.Absent = false, false
		if len(s.Buf) == 0 || s.Addr+uint64(len(s.Buf)) < s.Addr {
			continue
		}
		if s.Absent = !m.present(s); !s.Absent {
			m.ready = append(m.ready, s)
		}
	}
	for ready := m.ready; len(ready) > 0; {
		n := joined(ready)
		if n == 1 {
			ready[0].OK = m.readAt(ready[0].Buf, ready[0].Addr) == len(ready[0].Buf)
		} else {
			m.readTogether(ready[:n])
		}
		ready = ready[n:]
	}
}

// joined returns how many of the first spans to read at once. Each must start after the
// previous one, in the page where that ends or in the next. A call costs the kernel more than
// copying a page, and there are no other pages between the spans.
func joined(ready []*Span) (n int) {
	page := uint64(os.Getpagesize())
	start := ready[0].Addr
	for end := start; n < len(ready); n++ {
		s := ready[n]
		if n > 0 && (s.Addr < end || s.Addr/page > (end-1)/page+1) {
			break
		}
		if end = s.Addr + uint64(len(s.Buf)); end-start > bufSize {
			break
		}
	}
	return max(n, 1)
}

// readTogether reads the range that the spans lie in.
func (m *Memory) readTogether(spans []*Span) {
	start, last := spans[0].Addr, spans[len(spans)-1]
	n := m.readAt(m.buf[:last.Addr+uint64(len(last.Buf))-start], start)
	for _, s := range spans {
		off := int(s.Addr - start)
		if s.OK = off+len(s.Buf) <= n; s.OK {
			copy(s.Buf, m.buf[off:])
		}
	}
}

// readAt returns how many bytes it read.
func (m *Memory) readAt(buf []byte, addr uint64) (n int) {
	if m.copied != nil {
		return m.copied.read(m, buf, addr)
	}
	return m.live(buf, addr)
}

// live is readAt from the process.
func (m *Memory) live(buf []byte, addr uint64) (n int) {
	for n < len(buf) {
		got, err := unix.Pread(m.mem, buf[n:], int64(addr)+int64(n))
		if err == unix.EINTR {
			continue
		}
		if got <= 0 {
			break
		}
		n += got
	}
	return n
}

// present reports whether all pages of a span are there and, for an Own span, are the
// process's own.
func (m *Memory) present(s *Span) bool {
	page := uint64(os.Getpagesize())
	first, last := s.Addr/page, (s.Addr+uint64(len(s.Buf))-1)/page
	for ; first <= last; first++ {
		g, known := m.groups[first/64]
		if !known {
			g = m.readGroup(first / 64)
			m.groups[first/64] = g
		}
		pages := g.there
		if s.Own {
			pages = g.own
		}
		if pages>>(first%64)&1 == 0 {
			return false
		}
	}
	return true
}

// readGroup reads the words of 64 pages at once, which costs about as much as for one page.
func (m *Memory) readGroup(number uint64) (g group) {
	n := m.Pages(number*64*uint64(os.Getpagesize()), m.entries[:])
	for i := range n {
		entry := Page(binary.LittleEndian.Uint64(m.entries[8*i:]))
		if entry.There() {
			g.there |= 1 << i
			if entry&pageOfFile == 0 {
				g.own |= 1 << i
			}
		}
	}
	return g
}
