package process

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/symbolize"
	"memtrace/tracer/event"
	"memtrace/tracer/probe"
	"memtrace/tracer/process/kin"
	"memtrace/tracer/process/target"
	"memtrace/tracer/process/threads"
	"memtrace/tracer/region/proc"
)

// Process is one traced process.
type Process struct {
	pid     int
	symbols *symbolize.Process
	memory  *memoryWatch
	kin     *kin.Watch
	threads threads.Names
	anchor  *probe.Anchor
	// pidfd becomes readable when the process is gone. It is -1 once closed; watching guards it.
	watching sync.Mutex
	pidfd    int
	// opened is when pidfd was (ns).
	opened uint64
	// late: it joined while the trace went on.
	late bool
	// released is closed when the process is no longer one of the Group's, freed when nothing of
	// it is left.
	released, freed chan struct{}
	// probed means that every call of an allocation function should meet a probe now.
	probed atomic.Bool
	// code is its executable mappings. It belongs to the follower.
	code *codeMap
	// seen is the code with tables that it has mapped, or had, newest first, and looked when that
	// was last looked at (ns). They belong to the follower, too.
	seen   []seenCode
	looked uint64

	// held: whoever holds the process tells of its new programs, see Group.Adopt.
	held atomic.Bool

	// links and reach are guarded by Group.attaching.
	links probe.Links
	reach reach
	// unwatched means that it has no part in the open window. It belongs to the window loop, and
	// so do waits, how long its threads had no processor (ns), and sleeps, how often they waited
	// for something. cpu is its processor time when last read, ns.
	unwatched     bool
	cpu           atomic.Int64
	waits, sleeps threadSum

	// segmentsHang means that a look at a segment did not answer in time. None is tried again.
	segmentsHang atomic.Bool
	// limitsHang means that a look at its limits did not answer in time. None is tried again.
	limitsHang atomic.Bool

	// mu guards the fields below. target changes only with Group.attaching held, too.
	mu     sync.Mutex
	target *target.Target
	// malloc is nil if the process does not use glibc's.
	malloc *mallocView
	// modules are those whose unwind tables are loaded.
	modules []target.Module
	// debugger has the process under ptrace now; debuggers are all that ever had.
	debugger  debugger
	debuggers []debugger
	// unprobed says what no probe reached, and why.
	unprobed []string

	// keptPace and spacePace pace looks for those who often ask.
	keptPace  pacer[keptFree]
	spacePace pacer[struct{}]

	// sizing guards folios, which tell the sizes of pages; nil if these are not asked for.
	sizing sync.Mutex
	folios *proc.Folios
}

// findAttempts is how often an allocator is looked for, findPause the time in between.
const (
	findAttempts = 10
	findPause    = 5 * time.Millisecond
)

// open opens a process. late says that it joins others, and may do so without an allocator.
func open(pid int, cfg *Config, late bool) (_ *Process, err error) {
	if pid == unix.Getpid() {
		return nil, fmt.Errorf("process %d is memtrace itself, whose tracing would trace the tracing", pid)
	}
	// This comes first, so that the pid cannot pass to another process unseen.
	pidfd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, fmt.Errorf("process %d: %w", pid, target.ErrNoProcess)
	}
	p := &Process{pid: pid, pidfd: pidfd, opened: event.Now(), released: make(chan struct{}), freed: make(chan struct{}), late: late}
	if err != nil {
		p.pidfd = -1 // a thread's id: target.Find says so
	}
	defer func() {
		if err != nil {
			_ = p.close()
		}
	}()
	if p.target, err = find(pid, cfg, late); late {
		p.target, err = lookAnyway(pid, cfg, p.target, err)
	}
	if err != nil {
		return nil, err
	}
	cfg.logDenied(p.target)
	for _, what := range p.target.Unread {
		cfg.Logf("process %d: could not read %s; the trace goes on without", pid, what)
	}
	if !cfg.GrowthOnly && p.target.Seccomp && cfg.ReturnProbesKill {
		return nil, fmt.Errorf("process %d (%s) runs under a seccomp filter: %w", pid, p.target.Command, &probe.RequirementError{
			Needs:  "a kernel whose return probes pass seccomp filters (Linux 6.11 to 6.12.13 and 6.13 to 6.13.2 kill the process)",
			Remedy: "update the kernel",
		})
	}
	if p.code, err = newCodeMap(pid); err != nil {
		return nil, err
	}
	p.symbols, err = symbolize.NewProcess(pid, symbolize.Options{DebugDirs: cfg.DebugDirs, Names: cfg.Names, Bare: cfg.NamesLater})
	if err != nil {
		return nil, fmt.Errorf("read the modules of process %d: %w", pid, err)
	}
	if !cfg.GrowthOnly {
		if p.malloc = openMalloc(p.target); p.malloc != nil {
			p.malloc.first = &firstKept{done: make(chan struct{})}
		}
		if p.anchor, err = probe.NewAnchor(); err != nil {
			return nil, err
		}
	}
	p.memory = &memoryWatch{pid: pid, open: openAddressSpace}
	p.kin = kin.NewWatch(pid)
	return p, nil
}

// find finds the allocators of a process. It tries again, because in a process that has just
// executed a program, or does so all the time, the mappings may have changed by the time they
// are opened.
func find(pid int, cfg *Config, late bool) (t *target.Target, err error) {
	named := cfg.Named
	if late {
		named = named.AfterExec()
	}
	look := func(pid int) (*target.Target, error) { return target.FindNamed(pid, named) }
	if cfg.GrowthOnly {
		look = target.Look
	}
	for range findAttempts {
		t, err = look(pid)
		if err == nil || !errors.Is(err, target.ErrNoAllocator) {
			break
		}
		time.Sleep(findPause)
	}
	return t, err
}

// Target is what the process is now. It is a copy: the follower adds allocators that are
// mapped later.
func (p *Process) Target() *target.Target {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.target.Clone()
}

// Symbols names addresses of the process.
func (p *Process) Symbols() *symbolize.Process { return p.symbols }

// Unprobed says what no probe reached, and why.
func (p *Process) Unprobed() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.unprobed...)
}

// Gone reports whether the process has ended, by its pidfd.
func (p *Process) Gone() bool {
	p.watching.Lock()
	defer p.watching.Unlock()
	if p.pidfd < 0 {
		return false
	}
	fds := []unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1
}

// PID is the process's id. Opened is a time (ns) at which it had that.
func (p *Process) PID() uint32    { return uint32(p.pid) }
func (p *Process) Opened() uint64 { return p.opened }

// String names the process in messages.
func (p *Process) String() string { return fmt.Sprintf("process %d (%s)", p.pid, p.Target().Command) }

func (p *Process) close() error {
	var err error
	if p.symbols != nil {
		err = p.symbols.Close()
	}
	err = errors.Join(err, p.malloc.close(), p.anchor.Close(), p.code.Close(), p.closeFolios())
	if p.memory != nil {
		err = errors.Join(err, p.memory.close())
	}
	if p.target != nil {
		p.target.Close()
	}
	p.watching.Lock()
	defer p.watching.Unlock()
	if p.pidfd >= 0 {
		err = errors.Join(err, unix.Close(p.pidfd))
		p.pidfd = -1
	}
	return err
}
