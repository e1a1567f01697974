package freeze

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/process/procstatus"
	"memtrace/tracer/testsupport/testprog"
)

// dyingVariable has this program stop a process and be killed.
const dyingVariable = "MEMTRACE_TEST_DIES_WITH"

// suspendedVariable has it get a terminal's Ctrl-Z while it stops a process, and once more afterwards.
const suspendedVariable = "MEMTRACE_TEST_IS_SUSPENDED_WITH"

func TestMain(m *testing.M) {
	if pid, err := strconv.Atoi(os.Getenv(dyingVariable)); err == nil {
		_, err = stopped(pid, time.Minute, func(*stop) error { return unix.Kill(os.Getpid(), unix.SIGKILL) })
		fmt.Println(err)
		os.Exit(1)
	}
	if pid, err := strconv.Atoi(os.Getenv(suspendedVariable)); err == nil {
		suspend := func(*stop) error {
			err := unix.Kill(os.Getpid(), unix.SIGTSTP)
			time.Sleep(50 * time.Millisecond) // until it comes
			return err
		}
		if _, err := stopped(pid, time.Minute, suspend); err != nil || suspend(nil) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	testprog.Main(m)
}

// calls is a running testdata/calls.c.
type calls struct {
	*testprog.Program
	t *testing.T
	// stops are how long it was stopped.
	stops []time.Duration
}

func startCalls(t *testing.T) *calls {
	t.Helper()
	return &calls{Program: testprog.Command(t, exec.Command(testprog.PathIn(t, "testdata", "calls"))), t: t}
}

// counts asks for what it has counted.
func (c *calls) counts(say string) (interrupted, signals, threads int) {
	c.t.Helper()
	c.Say(say)
	if _, err := fmt.Sscan(c.Line(), &interrupted, &signals, &threads); err != nil {
		c.t.Fatal(err)
	}
	return
}

// wantRunning checks that no thread is stopped or traced.
func (c *calls) wantRunning() {
	c.t.Helper()
	for _, text := range c.held() {
		c.t.Error(text)
	}
}

// held returns which threads are stopped or traced.
func (c *calls) held() (threads []string) {
	c.t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", c.PID()))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, name := range names {
		tid, _ := strconv.Atoi(name.Name())
		status, err := procstatus.Of(tid)
		if err != nil {
			continue // it has ended
		}
		if state, by := status.Word("State"), status.Number("TracerPid"); state == "t" || state == "T" || by != 0 {
			threads = append(threads, fmt.Sprintf("thread %d: state %s, traced by %d", tid, state, by))
		}
	}
	return threads
}

// patient is for machines that are busy.
const patient = 20 * time.Second

func (c *calls) take() (*Picture, error) {
	return Take(context.Background(), Config{PID: c.PID(), MaxStall: patient, Stopped: func(took time.Duration) { c.stops = append(c.stops, took) }})
}

// A picture has all threads with their registers. The process runs on after it, gets all signals, and
// its calls are interrupted as is said.
func TestTake(t *testing.T) {
	c := startCalls(t)
	time.Sleep(50 * time.Millisecond) // until it waits
	before, _, ran := c.counts("")
	const takes, signals = 20, 17
	for i := range takes {
		sent := make(chan error)
		go func() {
			var err error
			for range signals {
				err = errors.Join(err, unix.Kill(c.PID(), unix.Signal(34)))
				time.Sleep(100 * time.Microsecond)
			}
			sent <- err
		}()
		p, err := c.take()
		if err := errors.Join(err, <-sent); err != nil {
			t.Fatal(err)
		}
		if len(c.stops) != i+1 || c.stops[i] <= 0 || c.stops[i] > patient || p.Copy.Bytes() < 64<<10 || len(p.Copy.Maps) == 0 {
			t.Errorf("stopped for %v, %d bytes", c.stops, p.Copy.Bytes())
		}
		if len(p.Threads) < 3 {
			t.Errorf("picture %d has %d threads", i, len(p.Threads))
		}
		for _, th := range p.Threads {
			if th.Stack == 0 || len(th.Words) < 20 || runtime.GOARCH == "amd64" && th.Pointer == 0 {
				t.Errorf("%+v", th)
			}
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	c.wantRunning()
	interrupted, got, threads := c.counts("")
	if interrupted <= before || interrupted > before+takes {
		t.Errorf("epoll_wait was interrupted %d times by %d stops", interrupted-before, takes)
	}
	if got != takes*signals {
		t.Errorf("%d signals came, %d were sent", got, takes*signals)
	}
	if threads <= ran {
		t.Error("no thread was started meanwhile")
	}
}

// Signals of a timer do no harm.
func TestTakeWithTimer(t *testing.T) {
	c := startCalls(t)
	c.counts("t")
	for range 20 {
		p, err := c.take()
		if err != nil {
			t.Fatal(err)
		}
		_ = p.Close()
	}
	_, before, _ := c.counts("")
	time.Sleep(50 * time.Millisecond)
	if _, after, _ := c.counts(""); after <= before {
		t.Errorf("%d signals came, then %d", before, after)
	}
	c.wantRunning()
}

// A process is not touched if stopping it would take too long, and let go if it does.
func TestStall(t *testing.T) {
	c := startCalls(t)
	time.Sleep(50 * time.Millisecond)
	before, _, _ := c.counts("")
	_, err := Take(context.Background(), Config{PID: c.PID(), MaxStall: time.Microsecond})
	var stall *StallError
	if !errors.As(err, &stall) || stall.Needed <= stall.Max || stall.Bytes == 0 || stall.Rate <= 0 {
		t.Errorf("%v", err)
	}
	var room *RoomError
	if _, err := Take(context.Background(), Config{PID: c.PID(), MaxStall: patient, MaxBytes: 1000}); !errors.As(err, &room) || room.Bytes < 64<<10 {
		t.Errorf("%v", err)
	}
	if now, _, _ := c.counts(""); now != before {
		t.Errorf("refused, but a call was interrupted")
	}
	const most = 50 * time.Millisecond
	looks := 0
	took, err := stopped(c.PID(), most, func(s *stop) error {
		for {
			if err := s.on(); err != nil {
				return err
			}
			if looks++; looks == 1 {
				if status, _ := procstatus.Of(c.PID()); status.Word("State") != "t" {
					t.Errorf("state %s", status.Word("State"))
				}
			}
			time.Sleep(time.Millisecond)
		}
	})
	if !errors.Is(err, errOver) || took < most {
		t.Errorf("%v after %v", err, took)
	}
	c.wantRunning()
	c.counts("")
}

// If the tracer is killed the process goes on.
func TestKilled(t *testing.T) {
	c := startCalls(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", dyingVariable, c.PID()))
		out, err := cmd.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys() == nil || exit.ExitCode() != -1 {
			t.Fatalf("it was not killed: %v, %s", err, out)
		}
		c.wantRunning()
	}
	_, _, before := c.counts("")
	time.Sleep(20 * time.Millisecond)
	if _, _, after := c.counts(""); after <= before {
		t.Error("it does not run on")
	}
}

// A process that another one traces is left alone, and who that is is said.
func TestTraced(t *testing.T) {
	c := startCalls(t)
	seized, leave := make(chan error), make(chan struct{})
	go onThread(func() { // its end lets them go
		var err error
		for _, tid := range c.threads() {
			// Those that come later are not traced.
			if e := ptrace(unix.PTRACE_SEIZE, tid, 0, 0); tid == c.PID() {
				err = e
			}
		}
		seized <- err
		<-leave
	})
	defer close(leave)
	if err := <-seized; err != nil {
		t.Fatal(err)
	}
	_, err := c.take()
	var traced *TracedError
	if !errors.As(err, &traced) || traced.PID != os.Getpid() || traced.Name == "" {
		t.Errorf("%v", err)
	}
	// It is also noticed of a thread alone, once the process is being stopped.
	s := &stop{pid: c.PID(), max: patient, tracees: make(map[int]*tracee)}
	onThread(func() { err = s.stopAll() })
	if !errors.As(err, &traced) {
		t.Errorf("%v", err)
	}
	c.counts("")
}

func (c *calls) threads() (tids []int) {
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", c.PID()))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, name := range names {
		tid, _ := strconv.Atoi(name.Name())
		tids = append(tids, tid)
	}
	return tids
}

// A process that is stopped by a signal stays so, and one that has ended is an error.
func TestStates(t *testing.T) {
	c := startCalls(t)
	if err := unix.Kill(c.PID(), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	state := func(want string) {
		t.Helper()
		var status procstatus.Status
		for deadline := time.Now().Add(patient); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if status, _ = procstatus.Of(c.PID()); status.Word("State") == want {
				return
			}
		}
		t.Fatalf("state %q", status.Word("State"))
	}
	state("T")
	for range 3 {
		p, err := c.take()
		if err != nil {
			t.Fatal(err)
		}
		_ = p.Close()
		time.Sleep(5 * time.Millisecond)
		state("T")
	}
	if err := unix.Kill(c.PID(), unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	c.counts("")
	c.wantRunning()
	if err := unix.Kill(c.PID(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	state("Z")
	if _, err := c.take(); err == nil {
		t.Error("a picture of a process that has ended")
	}
}
