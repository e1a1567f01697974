package kin

import (
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Threads are counted.
func TestThreads(t *testing.T) {
	f := newFamily(t)
	f.poll()
	for range 8 {
		f.do("threads 2")
		f.poll()
	}
	s, _ := f.snapshot()
	if s.Threads.First != 1 || s.Threads.Now != 17 || s.Threads.Fit.Change != 16 || !s.Threads.Fit.Growing() {
		t.Errorf("%+v", s.Threads)
	}
	f.do("join")
	if s, _ = f.snapshot(); s.Threads.Fit.Change != 0 || s.Threads.Fit.Growing() {
		t.Errorf("%+v", s.Threads)
	}
}

// A process that is stopped is found so, for as long as it is.
func TestStopped(t *testing.T) {
	f := newFamily(t)
	f.poll()
	stop(t, f.PID())
	f.poll()
	f.Poll(f.now.Add(3 * time.Second))
	f.now = f.now.Add(3 * time.Second)
	s, _ := f.snapshot()
	if !s.Held() || s.State != 'T' || s.Stopped != 3 || s.Traced != 0 || s.Polls != 4 || s.LongestHeld != 4*time.Second || s.LongestGap != 3*time.Second {
		t.Errorf("%+v", s)
	}
	if err := unix.Kill(f.PID(), unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	f.do("join") // it runs
	f.poll()
	s, _ = f.snapshot()
	if s.Held() || s.Stopped != 3 || s.Polls != 6 || s.LongestHeld != 5*time.Second {
		t.Errorf("%+v", s)
	}
}

// A process that a debugger stops is told from one that a signal does.
func TestTraced(t *testing.T) {
	f := newFamily(t)
	runtime.LockOSThread() // the thread is the tracer
	defer runtime.UnlockOSThread()
	if err := unix.PtraceAttach(f.PID()); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Wait4(f.PID(), nil, unix.WALL, nil); err != nil {
		t.Fatal(err)
	}
	f.poll()
	if err := unix.PtraceDetach(f.PID()); err != nil {
		t.Fatal(err)
	}
	f.do("join") // it runs
	s, _ := f.snapshot()
	if s.Held() || s.Traced != 1 || s.Stopped != 0 || s.LongestHeld != time.Second {
		t.Errorf("%+v", s)
	}
}

// stop stops a process and waits until it is.
func stop(t *testing.T, pid int) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var files procFiles
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		state, _, ok := files.status(pid)
		if ok && state == 'T' {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d does not stop: %c", pid, state)
		}
	}
}

// What was known before the process ended, or before Settle, stays.
func TestEnd(t *testing.T) {
	f := newFamily(t)
	pid := f.do("fork 1")[0]
	f.poll()
	f.Settle(f.tick())
	f.do("grow 0", strconv.Itoa(step))
	if s, children := f.snapshot(); s.Polls != 2 || children[pid].Growth != 0 || s.Gone {
		t.Errorf("after Settle: %+v", s)
	}
	g := newFamily(t)
	pid = g.do("fork 1")[0]
	g.poll()
	g.do("end")
	if code := g.End(); code != 0 {
		t.Fatal(code)
	}
	s, children := g.snapshot()
	if !s.Gone || s.Polls != 1 || s.Living != 1 || children[pid].Exited {
		t.Errorf("after the end: %+v", s)
	}
	if s := NewWatch(1 << 30).Snapshot(g.now); !s.Gone || s.Polls != 0 || !s.Start.IsZero() {
		t.Errorf("no such process: %+v", s)
	}
	zombie := exec.Command("true")
	if err := zombie.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = zombie.Wait() }()
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, zombie.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if s := NewWatch(zombie.Process.Pid).Snapshot(g.now); !s.Gone || s.Polls != 0 {
		t.Errorf("a zombie: %+v", s)
	}
}
