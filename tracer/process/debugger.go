package process

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"

	"memtrace/tracer/process/procstatus"
)

// A debugger saves the code it finds where it puts a breakpoint, and writes that back when it
// stops the process or leaves it. A probe is a breakpoint as well.
//
// If the debugger found a probe there, writing it back does no harm while the probe is
// registered: the kernel then knows the breakpoint that it meets. When the probe goes, the
// kernel writes the file's code, whoever wrote the breakpoint. If the probe went first, the
// debugger would write back a breakpoint that nobody owns, and SIGTRAP would end the process.
// So probes that a debugger may have found stay until it has left.

// debuggerPatience is how long memtrace waits for a debugger when all else is done.
const debuggerPatience = 30 * time.Second

// debuggerInterval is how often memtrace checks whether a debugger has left.
const debuggerInterval = 100 * time.Millisecond

// debugger is a process that has another one under ptrace.
type debugger struct {
	pid  int
	name string
}

func (d debugger) String() string { return fmt.Sprintf("%s (pid %d)", d.name, d.pid) }

// harmless are tracers that write nothing into the code.
var harmless = []string{"strace", "proot"}

func (d debugger) writesCode() bool { return d.pid != 0 && !slices.Contains(harmless, d.name) }

// debuggerOf returns who else has a process under ptrace and the letter of the process's state.
// It returns no debugger if that cannot be told.
func debuggerOf(pid int) (d debugger, state string) {
	status, err := procstatus.Of(pid)
	if err != nil {
		return d, ""
	}
	state, d.pid = status.Word("State"), status.Number("TracerPid")
	if d.pid == 0 {
		return d, state
	}
	// The kernel tells the thread that attached.
	if status, err = procstatus.Of(d.pid); err == nil {
		d.pid = cmp.Or(status.Number("Tgid"), d.pid)
	}
	if d.pid == os.Getpid() {
		return debugger{}, "" // memtrace holds a command until its probes are in place
	}
	comm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(d.pid), "comm"))
	d.name = strings.TrimSpace(string(comm))
	if err != nil || d.name == "" {
		d.name = "a debugger"
	}
	return d, state
}

// greetDebugger logs at the start what will keep a process from running as usual.
func (g *Group) greetDebugger(p *Process) {
	d, state := debuggerOf(p.pid)
	switch {
	case d.pid != 0:
		g.meet(p, d)
		if state == "t" {
			g.cfg.Logf("%v has stopped %v: nothing happens in it until it is continued", d, p)
		}
	case state == "T":
		g.cfg.Logf("%v is stopped: nothing happens in it until it is continued", p)
	}
}

// Debugged reports whether a debugger that may write to its code has any process under ptrace.
// It logs when one comes or goes.
func (g *Group) Debugged() (any bool) {
	for _, p := range g.procs.all() {
		if p.Gone() {
			continue
		}
		d, _ := debuggerOf(p.pid)
		g.meet(p, d)
		any = any || d.writesCode()
	}
	return any
}

// meet notes who has a process under ptrace now.
func (g *Group) meet(p *Process, d debugger) {
	p.mu.Lock()
	before := p.debugger
	p.debugger = d
	if d.pid != 0 && !slices.Contains(p.debuggers, d) {
		p.debuggers = append(p.debuggers, d)
	}
	p.mu.Unlock()
	if d == before {
		return
	}
	if before.pid != 0 {
		g.cfg.Logf("%v has left %v", before, p)
	}
	switch {
	case d.writesCode():
		g.cfg.Logf("%v is attached to %v: let it leave before memtrace does; breakpoints that it sets at malloc, free "+
			"or the like do not stop the process now, and would end it with SIGTRAP once memtrace has left", d, p)
	case d.pid != 0:
		g.cfg.Logf("%v is attached to %v", d, p)
	}
}

// CloseProbes removes probes, or keeps them while a debugger may have found them.
func (g *Group) CloseProbes(l probe.Links) error {
	if !g.Debugged() {
		return g.attached.Close(l)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kept = append(g.kept, l...)
	return nil
}

// LeftAlone waits until no debugger is attached, and then removes the probes that were kept
// for one. It returns false if ctx is done first.
func (g *Group) LeftAlone(ctx context.Context) bool {
	for g.Debugged() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(debuggerInterval):
		}
	}
	if err := g.closeKept(); err != nil {
		g.cfg.Logf("take probes away: %v", err)
	}
	return ctx.Err() == nil
}

// closeKept removes the probes that were kept.
func (g *Group) closeKept() error {
	g.mu.Lock()
	kept := g.kept
	g.kept = nil
	g.mu.Unlock()
	return g.attached.Close(kept)
}

// Outstay waits for debuggers to leave, for debuggerPatience at most.
func (g *Group) Outstay() {
	if !g.Debugged() {
		return
	}
	g.cfg.Logf("the probes stay until the debugger has left, for %v at most; Ctrl-C ends that at once", debuggerPatience)
	for end := time.Now().Add(debuggerPatience); g.Debugged(); time.Sleep(debuggerInterval) {
		if time.Now().Before(end) {
			continue
		}
		for _, p := range g.procs.all() {
			if d, _ := debuggerOf(p.pid); d.writesCode() {
				g.cfg.Logf("%v is still attached to %v: breakpoints that it set at malloc, free or the like "+
					"since memtrace came will end the process with SIGTRAP (see Limits in the README)", d, p)
			}
		}
		return
	}
}

// foreignBreakpoints returns the functions at which a debugger has a breakpoint, given that
// memtrace has none.
func foreignBreakpoints(p *Process) (names []string) {
	places, err := p.target.Places(p.target.Objects...)
	if err != nil {
		return nil
	}
	missing := notProbed(p.target.PID, places, probe.Whole)
	for _, place := range places {
		absent := slices.ContainsFunc(missing, func(m target.Place) bool { return m.Addr == place.Addr })
		if !absent && !slices.Contains(names, place.Probe.Name) {
			names = append(names, place.Probe.Name)
		}
	}
	return names
}

// CheckLeft looks, once all probes are gone, for breakpoints that a debugger left behind.
func (g *Group) CheckLeft() {
	for _, p := range g.procs.all() {
		if len(p.debuggers) == 0 || p.debugger.pid != 0 || p.Gone() || g.cfg.GrowthOnly {
			continue
		}
		if names := foreignBreakpoints(p); len(names) > 0 {
			g.cfg.Logf("a breakpoint that is not memtrace's is at %s in %v: where no other tool probes it, "+
				"SIGTRAP will end the process there", list(names), p)
		}
	}
}

// DebuggerNote says in a report who else was attached. windowed means that only windows were
// watched.
func (p *Process) DebuggerNote(windowed bool) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, d := range p.debuggers {
		names = append(names, d.String())
	}
	if len(names) == 0 {
		return ""
	}
	note := list(names) + " had the process under ptrace while it was traced."
	if windowed && slices.ContainsFunc(p.debuggers, debugger.writesCode) {
		note += " No window was opened meanwhile."
	}
	return note
}

// Debugger returns who has the process under ptrace now, "" if nobody does.
func (p *Process) Debugger() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.debugger.pid == 0 {
		return ""
	}
	return p.debugger.String()
}
