package patience

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A child that gets no processor for longer than the limit is not taken for a hanging one.
func TestChildWithoutProcessor(t *testing.T) {
	c, err := startChild()
	if err != nil {
		t.Fatal(err)
	}
	defer c.leave()
	path := "/proc/self/status"
	if _, err := c.ask(&question{Path: path, ID: 1}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(500*time.Millisecond, func() { _ = c.cmd.Process.Signal(unix.SIGCONT) })
	if _, err := c.ask(&question{Path: path, ID: 2}, 100*time.Millisecond); err != nil {
		t.Errorf("%v, want an answer", err)
	}
}

// A process that waits for a file system hangs.
func TestHangs(t *testing.T) {
	fifo := t.TempDir() + "/fifo"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cat", fifo) // waits in openat(2)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(cmd.Process.Kill(), os.Remove(fifo)); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	}()
	for deadline := time.Now().Add(time.Minute); !hangs(cmd.Process.Pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is not seen to wait")
		}
	}
}
