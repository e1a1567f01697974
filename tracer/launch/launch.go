// Package launch starts a command and holds it until probes are in place, so that a trace
// begins with the first allocation. While the command is held its allocator is mapped, but
// none of its code has run. The package uses ptrace, and only until Release.
package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrEndedEarly is returned by Start for a command that ended, or executed another program,
// before its C library was set up.
var ErrEndedEarly = errors.New("ended before its C library was set up")

// Command is a started command.
type Command struct {
	process *os.Process
	// release is closed to let the held command run. released receives the result.
	release  chan struct{}
	released chan error

	// These are for a command that is followed, see Follow. followed is closed when the thread
	// that does it has nothing more to do; exited has the command's status if that thread has
	// read it.
	hooks    *Hooks
	quit     chan struct{}
	followed chan struct{}
	exited   chan unix.WaitStatus
	unfollow sync.Once
	// threadEnds waits for that thread's end.
	threadEnds func()
}

// Start runs argv with memtrace's own standard files and returns once it is held. By then only
// the kernel and the dynamic loader have run: every library that the program names is mapped,
// and no constructor has been called.
func Start(argv []string) (*Command, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], cause(err))
	}
	c := &Command{release: make(chan struct{}), released: make(chan error, 1), followed: make(chan struct{})}
	held := make(chan error)
	// ptrace answers only to the thread that started the command.
	c.threadEnds = inThread(func() {
		err := c.start(path, argv)
		held <- err
		if err != nil {
			return
		}
		<-c.release
		defer close(c.followed)
		if c.hooks == nil {
			c.released <- unix.PtraceDetach(c.PID())
			return
		}
		c.follow()
	})
	return c, <-held
}

func (c *Command) start(path string, argv []string) error {
	var err error
	c.process, err = os.StartProcess(path, argv, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &unix.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", argv[0], cause(err))
	}
	if err := runToLibrary(c.PID()); err != nil {
		_ = c.process.Kill()
		_, _ = c.process.Wait()
		return fmt.Errorf("start %s: %w", argv[0], err)
	}
	return nil
}

// cause returns the innermost error, without the paths and calls that packages os and exec
// wrap around it.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// PID returns the command's process id.
func (c *Command) PID() int { return c.process.Pid }

// Release lets the command run.
func (c *Command) Release() error {
	close(c.release)
	if err := <-c.released; err != nil {
		return fmt.Errorf("let the command run: %w", err)
	}
	return nil
}

// Signal sends a signal to the command.
func (c *Command) Signal(s os.Signal) error { return c.process.Signal(s) }

// Kill ends the command, even a held one, and waits for its end.
func (c *Command) Kill() {
	_ = c.process.Kill()
	_, _ = c.Wait()
}

// Running reports whether the command has not ended yet.
func (c *Command) Running() bool {
	if c.hooks != nil && len(c.exited) > 0 {
		return false
	}
	var ended unix.Siginfo
	err := unix.Waitid(unix.P_PID, c.PID(), &ended, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && ended.Signo == 0
}

// Wait waits for the command's end and returns its status as a shell gives it: the exit code,
// or 128 plus the number of the signal that ended it.
func (c *Command) Wait() (int, error) {
	if status, ok := c.followedEnd(); ok {
		if status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return status.ExitStatus(), nil
	}
	state, err := c.process.Wait()
	if err != nil {
		return 0, fmt.Errorf("wait for the command: %w", err)
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return state.ExitCode(), nil
}
