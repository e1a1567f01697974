package stream

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// waker tells when the probes wake the reader, or that a time is over. Waiting for that in
// epoll_wait(2), as ringbuf.Reader does, is expensive in a Go program: the runtime's monitor
// checks on a thread in a system call up to 60 times per call, which was a third of all the
// time that memtrace took. So waker waits for the ring as the runtime waits for sockets.
type waker struct {
	ring *os.File
	c    chan struct{}
}

func newWaker(ring *ebpf.Map) (*waker, error) {
	fd, err := unix.FcntlInt(uintptr(ring.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate the ring buffer's descriptor: %w", err)
	}
	// The runtime's poller takes only a nonblocking descriptor.
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare to wait for the ring buffer: %w", err), unix.Close(fd))
	}
	w := &waker{ring: os.NewFile(uintptr(fd), "ring buffer"), c: make(chan struct{}, 1)}
	conn, err := w.ring.SyscallConn()
	if err == nil {
		err = w.ring.SetReadDeadline(time.Time{}) // fails where the runtime cannot wait for it
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare to wait for the ring buffer: %w", err), w.ring.Close())
	}
	go func() {
		for {
			woken := true
			if err := conn.Read(func(uintptr) bool { woken = !woken; return woken }); err != nil {
				return // closed
			}
			w.wake()
		}
	}()
	return w, nil
}

// wait waits for at most most, and reports whether it was woken before that.
func (w *waker) wait(most time.Duration) bool {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-w.c:
		return true
	case <-timer.C:
		return false
	}
}

// wake ends the wait in progress, or else the next one.
func (w *waker) wake() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}

// Close closes the duplicate of the ring's descriptor, which ends the goroutine that watches
// it.
func (w *waker) Close() error {
	if err := w.ring.Close(); err != nil {
		return fmt.Errorf("close the ring buffer's duplicate: %w", err)
	}
	return nil
}
