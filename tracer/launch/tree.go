package launch

import (
	"cmp"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/process/procstatus"
)

// A Tree holds every process that a command starts, for a moment at its birth and for another
// when it executes a program, so that probes are in place before its first instruction.
//
// Only ptrace can do that without harm. Probes are put into one process each: to put them into
// every process that maps the C library, and to look in the kernel whose call it is, would cost
// each call of every program on the machine a microsecond. A signal that stops the child would
// be seen by its parent, and would leave the child stopped for good if memtrace were killed.
// Under ptrace the kernel holds the children itself, nobody is told, and if memtrace dies all
// of them run on. The price: a signal to these processes takes some 60 µs longer and a new thread
// some 300 µs (two busy processors), and no other debugger can attach to them.

// Hooks are told of the processes of a Tree while these are held, for HoldLimit at most. They are
// called beside each other, and for one process one after the other unless one took longer.
type Hooks struct {
	// Born is told of a new process, which has yet to run.
	Born func(pid int)
	// Executed is told of a process that has executed a program, once the program's libraries
	// are mapped. byThread says that another thread than the leader called exec.
	Executed func(pid int, byThread bool)
	// Overdue, if not nil, is told of a process that runs on although its hook is still at work.
	// returned is closed when that has returned.
	Overdue func(pid int, returned <-chan struct{})
}

// HoldLimit is how long a process is held at most: a hook may hang, and others wait for the process.
const HoldLimit = 5 * time.Second

// Values that package unix does not have: of include/uapi/linux/ptrace.h.
const (
	eventStop  = 128 // PTRACE_EVENT_STOP
	stopOfCall = unix.SIGTRAP | 0x80
	treeEvents = unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACECLONE |
		unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACESYSGOOD
)

// tree is the state of a Tree. It belongs to the thread that traces.
type tree struct {
	hooks Hooks
	// tracees are the threads under ptrace.
	tracees map[int]*tracee
	// done has the thread ids whose hooks have returned. quit is closed to end it all.
	done chan int
	quit <-chan struct{}
	// root is the command, whose status goes to exited.
	root   int
	exited chan<- unix.WaitStatus
	// starting: the command is yet to be continued, see seize.
	starting bool
}

// tracee is a thread of the tree.
type tracee struct {
	tgid int
	// held: a hook is at work.
	held bool
	// loading: its new program's libraries are being mapped. atExit says that the next stop of a
	// system call is at its end.
	loading, atExit bool
	byThread        bool
	// calls is how many stops of system calls there were meanwhile.
	calls int
}

// follow traces a command and all that it starts, until that is to end or all have ended. It
// says in released how that began. The command is a tracee of the calling thread, and is
// stopped. The thread must end with the caller: that is when the kernel lets all of them go.
func (c *Command) follow() {
	t := &tree{hooks: *c.hooks, quit: c.quit, root: c.PID(), exited: c.exited, starting: true}
	t.run(func() error { return t.seize(c.PID()) }, c.released)
}

// run traces until all tracees have ended or quit is closed. It says in began what begin returned.
func (t *tree) run(begin func() error, began chan<- error) {
	t.tracees, t.done = make(map[int]*tracee), make(chan int)
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, unix.SIGCHLD)
	defer signal.Stop(changed)
	err := begin()
	began <- err
	if err != nil {
		return
	}
	// Nothing waits for a stop whose signal came between a look and the next wait.
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for len(t.tracees) > 0 {
		for t.look() {
		}
		select {
		case <-t.quit:
			return
		case <-changed:
		case <-tick.C:
		case tid := <-t.done:
			t.release(tid)
		}
	}
}

// seize makes a tracee that is stopped one that was seized, which can be stopped by signals as
// usual. It is to be continued once the kernel tells of its stop: see stopped.
func (t *tree) seize(pid int) error {
	// The command's parent is memtrace, which nobody tells of this stop.
	if err := ptrace(unix.PTRACE_DETACH, pid, 0, uintptr(unix.SIGSTOP)); err != nil {
		return fmt.Errorf("let the command stop: %w", err)
	}
	if err := ptrace(unix.PTRACE_SEIZE, pid, 0, treeEvents); err != nil {
		return fmt.Errorf("follow the command: %w", err)
	}
	t.tracees[pid] = &tracee{tgid: pid}
	return nil
}

func ptrace(request, pid int, addr, data uintptr) error {
	if _, _, err := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(pid), addr, data, 0, 0); err != 0 {
		return err
	}
	return nil
}

// look handles one change of a tracee, and reports whether there was any.
func (t *tree) look() bool {
	var status unix.WaitStatus
	const noThread = 0x20000000 // __WNOTHREAD: only what this thread traces
	tid, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOHANG|noThread, nil)
	if err == unix.EINTR {
		return true
	}
	if err != nil || tid == 0 {
		if err == unix.ECHILD {
			clear(t.tracees)
		}
		return false
	}
	if !status.Stopped() {
		delete(t.tracees, tid)
		if tid == t.root {
			t.exited <- status
		}
		return true
	}
	t.stopped(tid, status)
	return true
}

// stopped handles a stop of a tracee.
func (t *tree) stopped(tid int, status unix.WaitStatus) {
	tr := t.tracees[tid]
	fresh := tr == nil
	if fresh {
		tr = &tracee{tgid: tgidOf(tid)}
		t.tracees[tid] = tr
	}
	event, sig := int(status)>>16, status.StopSignal()
	switch {
	case event == unix.PTRACE_EVENT_EXEC:
		t.executed(tid, tr)
	case event == eventStop && sig == unix.SIGTRAP:
		if fresh && tr.tgid == tid {
			t.hold(tid, tr, func() { t.hooks.Born(tid) })
			return
		}
		t.resume(tid, tr, 0)
	case event == eventStop:
		_ = ptrace(unix.PTRACE_LISTEN, tid, 0, 0) // it stays stopped until somebody continues it
		if t.starting && tid == t.root {
			t.starting = false
			_ = unix.Kill(tid, unix.SIGCONT) // that is all: see seize
		}
	case event != 0:
		t.resume(tid, tr, 0) // what it has started stops by itself
	case sig == stopOfCall:
		t.loads(tid, tr)
	default:
		t.resume(tid, tr, sig)
	}
}

// executed begins to wait for a new program's libraries.
func (t *tree) executed(tid int, tr *tracee) {
	former, err := unix.PtraceGetEventMsg(tid)
	tr.byThread = err == nil && int(former) != tid
	for other, o := range t.tracees { // the process has no other threads any more
		if other != tid && o.tgid == tid {
			delete(t.tracees, other)
		}
	}
	tr.tgid, tr.atExit, tr.calls = tid, true, 0 // exec itself ends first
	if dynamic, err := hasInterpreter(tid); err == nil && dynamic {
		tr.loading = true
		t.resume(tid, tr, 0)
		return
	}
	t.loaded(tid, tr)
}

// loads handles a stop of a system call while libraries are being mapped.
func (t *tree) loads(tid int, tr *tracee) {
	const most = 10000 // a loader that is not known may never be seen to be ready
	tr.calls++
	if tr.loading && tr.atExit {
		if ready, err := libraryReady(tid); err != nil || ready || tr.calls > most {
			t.loaded(tid, tr)
			return
		}
	}
	tr.atExit = !tr.atExit
	t.resume(tid, tr, 0)
}

func (t *tree) loaded(tid int, tr *tracee) {
	tr.loading = false
	byThread := tr.byThread
	t.hold(tid, tr, func() { t.hooks.Executed(tid, byThread) })
}

// hold keeps a tracee stopped until a hook has returned, or for HoldLimit.
func (t *tree) hold(tid int, tr *tracee, hook func()) {
	tr.held = true
	returned := make(chan struct{})
	go func() {
		hook()
		close(returned)
	}()
	go func() {
		select {
		case <-returned:
		case <-t.quit:
		case <-time.After(HoldLimit):
			if t.hooks.Overdue != nil {
				go t.hooks.Overdue(tid, returned)
			}
		}
		select {
		case t.done <- tid:
		case <-t.quit:
		}
	}()
}

// release lets a tracee run whose hook has returned.
func (t *tree) release(tid int) {
	if tr := t.tracees[tid]; tr != nil && tr.held {
		tr.held = false
		t.resume(tid, tr, 0)
	}
}

// resume lets a tracee run, with a signal if that is not 0. It fails if the tracee was killed.
func (t *tree) resume(tid int, tr *tracee, sig unix.Signal) {
	request := unix.PTRACE_CONT
	if tr.loading {
		request = unix.PTRACE_SYSCALL
	}
	_ = ptrace(request, tid, 0, uintptr(sig))
}

// tgidOf returns the process of a thread, the thread itself if that cannot be told.
func tgidOf(tid int) int {
	status, err := procstatus.Of(tid)
	if err != nil {
		return tid
	}
	return cmp.Or(status.Number("Tgid"), tid)
}

// Follow makes Release follow the command: hooks are told of all processes that the command
// and its descendants start and of all programs that they execute. Call it before Release.
func (c *Command) Follow(hooks Hooks) {
	c.hooks = &hooks
	c.quit = make(chan struct{})
	c.exited = make(chan unix.WaitStatus, 1)
}

// followedEnd waits for the end of a command that is followed. ok is false if it was let go
// before.
func (c *Command) followedEnd() (status unix.WaitStatus, ok bool) {
	select {
	case <-c.release: // it was not only held
	default:
		return 0, false
	}
	if c.hooks == nil {
		return 0, false
	}
	select {
	case status = <-c.exited:
	case <-c.followed:
		c.threadEnds() // until then its stops would pass for its end
		select {
		case status = <-c.exited:
		default:
			return 0, false
		}
	}
	c.exited <- status // for whoever asks again
	return status, true
}

// Unfollow lets all processes go that are followed. It may be called again.
func (c *Command) Unfollow() {
	if c.hooks == nil {
		return
	}
	c.unfollow.Do(func() { close(c.quit) })
	select {
	case <-c.release:
		c.threadEnds()
	default: // it is held
	}
}
