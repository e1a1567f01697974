package tracer

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/symbolize"
	"memtrace/tracer/probe"
	"memtrace/tracer/sample"
	"memtrace/tracer/target"
)

// process is one traced process.
type process struct {
	target  *target.Target
	symbols *symbolize.Process
	links   probe.Links
	anchor  *probe.Anchor
	reach   reach
	// probed: every call of allocation functions should meet a probe now.
	probed atomic.Bool
	// debugger has the process under ptrace, debuggers have had. Tracer.mu guards both.
	debugger  debugger
	debuggers []debugger
	// unprobed is what no probe reached, and why. Tracer.mu guards it.
	unprobed []string
	// code is what it has mapped executably; it is the follower's.
	code *codeMap
	// modules are what unwind tables are loaded for.
	modules []target.Module
	// malloc is nil where the process does not use glibc's.
	malloc *mallocView
	memory *memoryWatch
	// sample is what windows showed, where only windows are watched.
	sample *sample.Set
	// unwatched: it has no part in the window that is open.
	unwatched bool
	// cpu is the process's time on processors when it was last read.
	cpu time.Duration
	// faults is nil unless page faults are sampled.
	faults *faultWatch
	// pidfd becomes readable when the process is gone.
	pidfd int
	// exited: its last thread has passed the exit tracepoint, at time endMono
	// (ns of CLOCK_MONOTONIC).
	exited  bool
	endMono uint64
	// status is what it ended with, as far as an event told; 0 is also what exit(0) is.
	status   unix.WaitStatus
	children uint64
	// execs is how often it has executed another program.
	execs uint64
}

// findAttempts is how often an allocator is looked for, findPause the time in between.
const (
	findAttempts = 10
	findPause    = 5 * time.Millisecond
)

// openProcess opens a process. returnProbesKill: see probe.Features.
func openProcess(pid int, cfg Config, returnProbesKill bool) (_ *process, err error) {
	if pid == unix.Getpid() {
		return nil, fmt.Errorf("process %d is memtrace itself, whose tracing would trace the tracing", pid)
	}
	// First of all, so that the number cannot pass to another process unseen.
	pidfd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, fmt.Errorf("process %d: %w", pid, target.ErrNoProcess)
	}
	p := &process{pidfd: pidfd}
	if err != nil {
		p.pidfd = -1 // a thread's id: target.Find says so
	}
	defer func() {
		if err != nil {
			_ = p.close()
		}
	}()
	find := target.Find
	if cfg.GrowthOnly {
		find = target.Look
	}
	// Of one that has just executed a program, or does so all the time, what is mapped
	// may be another thing by the time that it is opened.
	for range findAttempts {
		p.target, err = find(pid)
		if err == nil || !errors.Is(err, target.ErrNoAllocator) {
			break
		}
		time.Sleep(findPause)
	}
	if err != nil {
		return nil, err
	}
	cfg.logDenied(p.target)
	for _, what := range p.target.Unread {
		cfg.Logf("process %d: could not read %s; the trace goes on without", pid, what)
	}
	if !cfg.GrowthOnly && p.target.Seccomp && returnProbesKill {
		return nil, fmt.Errorf("process %d (%s) runs under a seccomp filter: %w", pid, p.target.Command, &RequirementError{
			Needs:  "a kernel whose return probes pass seccomp filters (Linux 6.11 to 6.12.13 and 6.13 to 6.13.2 kill the process)",
			Remedy: "update the kernel",
		})
	}
	if p.code, err = newCodeMap(pid); err != nil {
		return nil, err
	}
	p.symbols, err = symbolize.NewProcess(pid, symbolize.Options{DebugDirs: cfg.DebugDirs})
	if err != nil {
		return nil, fmt.Errorf("read the modules of process %d: %w", pid, err)
	}
	if !cfg.GrowthOnly {
		p.malloc = openMalloc(p.target)
		if p.anchor, err = probe.NewAnchor(); err != nil {
			return nil, err
		}
	}
	p.memory = &memoryWatch{pid: pid, open: openAddressSpace}
	return p, nil
}

// gone reports whether the process has ended, by its pidfd.
func (p *process) gone() bool {
	if p.pidfd < 0 {
		return false
	}
	fds := []unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1
}

func (p *process) close() error {
	var err error
	if p.symbols != nil {
		err = p.symbols.Close()
	}
	err = errors.Join(err, p.malloc.close(), p.faults.close(), p.anchor.Close(), p.code.Close())
	if p.memory != nil {
		err = errors.Join(err, p.memory.close())
	}
	if p.target != nil {
		p.target.Close()
	}
	if p.pidfd >= 0 {
		err = errors.Join(err, unix.Close(p.pidfd))
		p.pidfd = -1
	}
	return err
}
