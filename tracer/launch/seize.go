package launch

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"memtrace/tracer/process/procstatus"
)

// ErrDebugged is returned by Seize for a process that a debugger has under ptrace.
var ErrDebugged = errors.New("is under ptrace already, so that its children cannot be followed")

// Tree is running processes whose children are held: see tree.go.
type Tree struct {
	quit chan struct{}
	wait func()
	once sync.Once
}

// Seize follows running processes: hooks are told of all processes that they and their
// descendants start from now on. It does not stop them.
func Seize(pids []int, hooks Hooks) (*Tree, error) {
	all := &Tree{quit: make(chan struct{})}
	began := make(chan error, 1)
	all.wait = inThread(func() {
		state := &tree{hooks: hooks, quit: all.quit}
		state.run(func() error { return state.seizeAll(pids) }, began)
	})
	return all, <-began
}

// Close lets all of them go. It may be called again.
func (t *Tree) Close() {
	if t == nil {
		return
	}
	t.once.Do(func() { close(t.quit) })
	t.wait()
}

// seizeAll makes all threads of processes tracees. Threads that they start are from then on.
func (t *tree) seizeAll(pids []int) error {
	for _, pid := range pids {
		for fresh := true; fresh; {
			var err error
			if fresh, err = t.seizeThreads(pid); err != nil {
				return err
			}
		}
	}
	return nil
}

// seizeThreads seizes the threads of a process that are no tracees yet, and reports whether
// there were any.
func (t *tree) seizeThreads(pid int) (fresh bool, err error) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return false, nil // it has ended
	}
	for _, thread := range threads {
		tid, err := strconv.Atoi(thread.Name())
		if err != nil || t.tracees[tid] != nil {
			continue
		}
		switch err := ptrace(unix.PTRACE_SEIZE, tid, 0, treeEvents); {
		case err == nil:
			fresh = true
			t.tracees[tid] = &tracee{tgid: pid}
		case errors.Is(err, unix.EPERM):
			by, ends := tracerOf(tid)
			if by == unix.Gettid() || ends {
				continue // a tracee has started it, or it has ended
			}
			if by == 0 {
				return false, fmt.Errorf("follow process %d: %w", pid, err)
			}
			return false, fmt.Errorf("process %d %w", pid, ErrDebugged)
		case !errors.Is(err, unix.ESRCH):
			return false, fmt.Errorf("follow process %d: %w", pid, err)
		}
	}
	return fresh, nil
}

// tracerOf returns the thread that traces another one, 0 if none does, and whether that one has
// ended.
func tracerOf(tid int) (tracer int, ended bool) {
	status, err := procstatus.Of(tid)
	if err != nil {
		return 0, true
	}
	return status.Number("TracerPid"), status.Ended()
}
