package proc

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/region"
)

const (
	// bufferSize is how much one read of maps asks for. The kernel returns a page at a time,
	// or a line if that is longer.
	bufferSize = 64 << 10
	// maxFile is the most that is read of a file that is read whole.
	maxFile = 16 << 20
)

// typed converts errors to those of region where they mean the same.
func typed(err error) error {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return region.ErrNotPermitted
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.ENOENT):
		return region.ErrGone
	}
	return err
}

// Used implements region.Source.
func (p *Process) Used() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

func (p *Process) open(name string) (int, error) {
	fd, err := unix.Openat(p.dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, typed(err)
	}
	return fd, nil
}

// reader reads from a file descriptor.
type reader int

func (fd reader) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), b)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// file returns the content of a file. The content is valid until the next call.
func (p *Process) file(name string) ([]byte, error) {
	fd, err := p.open(name)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if p.buf == nil {
		p.buf = make([]byte, bufferSize)
	}
	n := 0
	for n < maxFile {
		if n == len(p.buf) {
			p.buf = append(p.buf, make([]byte, len(p.buf))...)
		}
		got, err := reader(fd).Read(p.buf[n:])
		if err == io.EOF {
			return p.buf[:n], nil
		}
		if err != nil {
			return nil, typed(err)
		}
		n += got
	}
	return p.buf[:n], nil
}

// Maps implements region.Source.
func (p *Process) Maps(f func(*procmaps.Mapping)) error { return p.scan("maps", f) }

// Smaps implements region.Source.
func (p *Process) Smaps(f func(*procmaps.Mapping)) error { return p.scan("smaps", f) }

func (p *Process) scan(name string, f func(*procmaps.Mapping)) error {
	p.closeMemory() // it may be that of the previous program
	fd, err := p.open(name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lines, err := p.scanner.Scan(reader(fd), f)
	switch {
	case err != nil && !errors.Is(err, procmaps.ErrLine):
		return typed(err)
	case lines == 0:
		return region.ErrGone // a zombie's file is empty
	}
	return nil
}

// Statm implements region.Source.
func (p *Process) Statm() (virtual, resident, data uint64, err error) {
	text, err := p.file("statm")
	if err != nil {
		return 0, 0, 0, err
	}
	var pages [6]uint64 // size, resident, shared, text, lib, data: proc_pid_statm(5)
	i := 0
	for _, c := range text {
		switch {
		case c >= '0' && c <= '9':
			pages[i] = pages[i]*10 + uint64(c-'0')
		default:
			i++
		}
		if i == len(pages) {
			break
		}
	}
	if pages[0] == 0 {
		return 0, 0, 0, region.ErrGone
	}
	size := uint64(os.Getpagesize())
	return pages[0] * size, pages[1] * size, pages[5] * size, nil
}
