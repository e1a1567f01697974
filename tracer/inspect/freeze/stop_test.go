package freeze

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/process/procstatus"
)

// What stops a process runs on a thread that ends, never on the first one.
func TestThread(t *testing.T) {
	var all sync.WaitGroup
	for range 200 {
		for range 10 {
			all.Go(func() {
				tid := 0
				onThread(func() {
					tid = unix.Gettid()
					time.Sleep(10 * time.Microsecond)
				})
				within(t, "the thread has not ended", func() bool {
					_, err := os.Stat(filepath.Join("/proc/self/task", strconv.Itoa(tid)))
					return err != nil
				})
			})
		}
		all.Wait()
	}
}

// Threads that are traced, but have not stopped, are let go as well.
func TestLeft(t *testing.T) {
	c := startCalls(t)
	s := &stop{pid: c.PID(), max: patient, tracees: make(map[int]*tracee)}
	onThread(func() {
		defer s.release()
		fresh, err := s.seize()
		if err != nil || len(fresh) == 0 {
			t.Errorf("%d threads, %v", len(fresh), err)
		}
		for _, tid := range fresh {
			_ = ptrace(unix.PTRACE_INTERRUPT, tid, 0, 0)
		}
	})
	// The kernel lets go one thread after the other as the tracing one ends.
	within(t, "threads are held", func() bool { return len(c.held()) == 0 })
	c.counts("")
}

// within waits until something is so.
func within(t *testing.T, otherwise string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patient); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error(otherwise)
			return
		}
	}
}

// A terminal's Ctrl-Z waits until the process runs on, and is not ignored for good.
func TestSuspended(t *testing.T) {
	c := startCalls(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", suspendedVariable, c.PID()))
	// In a group of its own it has a parent outside, without which the kernel stops nothing.
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	within(t, "it was not suspended", func() bool {
		status, err := procstatus.Of(cmd.Process.Pid)
		return err == nil && status.Word("State") == "T"
	})
	if c.wantRunning(); t.Failed() {
		return
	}
	if err := errors.Join(cmd.Process.Signal(unix.SIGCONT), cmd.Wait()); err != nil {
		t.Error(err)
	}
}

// growing is a context of something that grows when that is asked for its end, so many times.
type growing struct {
	context.Context
	c     *calls
	times int
}

func (g *growing) Err() error {
	if g.times--; g.times >= 0 {
		g.c.counts("g")
	}
	return nil
}

// A process that grew before it was stopped is stopped anew, but not without end. Each stop counts.
func TestGrew(t *testing.T) {
	for _, times := range []int{1, 100} {
		c, stops := startCalls(t), 0
		p, err := Take(&growing{context.Background(), c, times}, Config{PID: c.PID(), MaxStall: patient, Stopped: func(time.Duration) { stops++ }})
		if times == 1 && (err != nil || stops != 2) || times > 1 && (!errors.Is(err, ErrGrew) || stops != 3) {
			t.Errorf("%d times: %d stops, %v", times, stops, err)
		}
		if p != nil {
			_ = p.Close()
		}
		c.wantRunning()
	}
}
