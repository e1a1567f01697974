package freeze

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"memtrace/tracer/process/procstatus"
)

// errOver means that the time was over.
var errOver = errors.New("the time is over")

// stop is a process being stopped.
type stop struct {
	pid     int
	max     time.Duration
	tracees map[int]*tracee
	threads []Thread
	// began is when the first thread was told to stop, zero before.
	began time.Time
}

// tracee is a thread that was seized.
type tracee struct {
	stopped bool
	// signal is what it was about to get when it stopped, 0 if there is none.
	signal int
}

// stopped stops a process, calls f, and lets it go. It returns how long it was stopped.
func stopped(pid int, most time.Duration, f func(*stop) error) (time.Duration, error) {
	s := &stop{pid: pid, max: most, tracees: make(map[int]*tracee)}
	var took time.Duration
	var err error
	// Collecting garbage would only make the stop longer.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	// A terminal's Ctrl-Z would stop both.
	defer ignored(unix.SIGTSTP)()
	onThread(func() {
		defer func() {
			s.release()
			if !s.began.IsZero() {
				took = time.Since(s.began)
			}
		}()
		if err = s.stopAll(); err == nil {
			err = f(s)
		}
	})
	return took, err
}

// onThread calls f on a thread that ends with it. A tracer is a thread: what it could not let go the
// kernel lets go then. The first thread of a Go program never ends, so that is not used.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and so it ends
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			onThread(f) // on another one, since this one is locked
			return
		}
		f()
	}()
	<-done
}

// ignored has this process ignore a signal until the function that it returns is called. os/signal
// does not restore what there was of this one.
func ignored(sig unix.Signal) (restore func()) {
	var before [4]uint64 // the kernel's struct sigaction
	ignore := [4]uint64{1}
	act := func(now, old *[4]uint64) bool {
		_, _, err := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(now)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
		return err == 0
	}
	if !act(&ignore, &before) {
		return func() {}
	}
	return func() { act(&before, nil) }
}

// on returns an error once the time is over.
func (s *stop) on() error {
	if time.Since(s.began) > s.max {
		return errOver
	}
	return nil
}

// stopAll stops all threads, also those that come meanwhile, and reads their registers. A thread that
// is stopped starts no other.
func (s *stop) stopAll() error {
	for {
		fresh, err := s.seize()
		if err != nil {
			return err
		}
		if len(fresh) == 0 {
			break
		}
		if s.began.IsZero() {
			s.began = time.Now()
		}
		for _, tid := range fresh {
			// It may have ended.
			_ = ptrace(unix.PTRACE_INTERRUPT, tid, 0, 0)
		}
		for _, tid := range fresh {
			if err := s.wait(tid); err != nil {
				return err
			}
		}
	}
	if len(s.tracees) == 0 {
		return fmt.Errorf("stop process %d: %w", s.pid, os.ErrProcessDone)
	}
	for tid := range s.tracees {
		if err := s.on(); err != nil {
			return err
		}
		t, err := registers(tid)
		if errors.Is(err, unix.ESRCH) {
			continue // it was killed
		}
		if err != nil {
			return fmt.Errorf("read the registers of thread %d: %w", tid, err)
		}
		s.threads = append(s.threads, t)
	}
	return nil
}

// seize makes the threads tracees that are none yet.
func (s *stop) seize() (fresh []int, err error) {
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", s.pid))
	if err != nil {
		return nil, fmt.Errorf("list the threads: %w", err)
	}
	for _, name := range names {
		tid, err := strconv.Atoi(name.Name())
		if err != nil || s.tracees[tid] != nil {
			continue
		}
		switch err := ptrace(unix.PTRACE_SEIZE, tid, 0, 0); {
		case err == nil:
			s.tracees[tid] = &tracee{}
			fresh = append(fresh, tid)
		case errors.Is(err, unix.ESRCH):
		case errors.Is(err, unix.EPERM):
			if status, err := procstatus.Of(tid); err != nil || status.Ended() {
				continue
			}
			if err := traced(tid); err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("stop thread %d: %w", tid, err)
		default:
			return nil, fmt.Errorf("stop thread %d: %w", tid, err)
		}
	}
	return fresh, nil
}

// wait waits until a thread has stopped or ended.
func (s *stop) wait(tid int) error {
	t := s.tracees[tid]
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(tid, &status, unix.WNOHANG|unix.WALL, nil)
		switch {
		case err == unix.EINTR:
		case err != nil, got == tid && (status.Exited() || status.Signaled()):
			delete(s.tracees, tid) // it has ended
			return nil
		case got == tid && status.Stopped():
			const eventStop = 128 // PTRACE_EVENT_STOP
			t.stopped = true
			// Otherwise it was about to get a signal, which it is to get when it goes on.
			if event := int(status) >> 16; event == 0 {
				t.signal = int(status.StopSignal())
			} else if event != eventStop {
				return fmt.Errorf("stop thread %d: event %d", tid, event)
			}
			return nil
		default:
			if status, err := procstatus.Of(tid); err != nil || status.Ended() {
				delete(s.tracees, tid) // a first thread that has ended waits for the others
				return nil
			}
			if err := s.on(); err != nil {
				return err
			}
			const pause = 20 * time.Microsecond
			time.Sleep(pause)
		}
	}
}

// release lets all threads go. One that has still not stopped cannot be told to: the end of this thread
// lets it go.
func (s *stop) release() {
	for tid, t := range s.tracees {
		if !t.stopped {
			_ = s.wait(tid) // it may have by now
		}
		if t.stopped {
			// It may have been killed.
			_ = ptrace(unix.PTRACE_DETACH, tid, 0, uintptr(t.signal))
		}
	}
}

// traced returns an error if a thread is under ptrace of another process.
func traced(tid int) error {
	status, err := procstatus.Of(tid)
	if err != nil {
		return fmt.Errorf("look for a tracer: %w", err)
	}
	by := status.Number("TracerPid")
	if by == 0 {
		return nil
	}
	e := &TracedError{PID: by, Name: "another process"}
	// The kernel tells the thread that attached.
	if status, err := procstatus.Of(by); err == nil {
		if pid := status.Number("Tgid"); pid != 0 {
			e.PID = pid
		}
	}
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", e.PID)); err == nil && len(name) > 1 {
		e.Name = strings.TrimSpace(string(name))
	}
	return e
}

func ptrace(request, tid int, addr, data uintptr) error {
	if _, _, err := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0); err != 0 {
		return err
	}
	return nil
}
