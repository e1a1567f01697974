package tracer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"memtrace/tracer/probe"
	"memtrace/tracer/target"
)

// A debugger saves what it finds where it puts a breakpoint, and writes that back when it
// stops the process or leaves it. Where it found a probe, which is a breakpoint as well,
// that does no harm as long as the probe is registered, for then the kernel knows what it
// meets there; and when the probe goes the kernel writes the file's code, whoever wrote
// the breakpoint. The other way round the process meets a breakpoint of nobody's, and
// SIGTRAP ends it. So probes that a debugger may have found stay until it has left.

// debuggerPatience is how long memtrace stays for a debugger when all else is done.
const debuggerPatience = 30 * time.Second

// debuggerInterval is how often it is looked whether one has left.
const debuggerInterval = 100 * time.Millisecond

// debugger is a process that has another one under ptrace.
type debugger struct {
	pid  int
	name string
}

func (d debugger) String() string { return fmt.Sprintf("%s (pid %d)", d.name, d.pid) }

// harmless are those that put nothing into the code.
var harmless = []string{"strace", "proot"}

func (d debugger) writesCode() bool { return d.pid != 0 && !slices.Contains(harmless, d.name) }

// debuggerOf returns who has a process under ptrace, none if that cannot be told, and the
// letter of the process's state.
func debuggerOf(pid int) (d debugger, state string) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return d, ""
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); name {
		case "State":
			state, _, _ = strings.Cut(value, " ")
		case "TracerPid":
			d.pid, _ = strconv.Atoi(value)
		}
	}
	if d.pid == 0 {
		return d, state
	}
	comm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(d.pid), "comm"))
	d.name = strings.TrimSpace(string(comm))
	if err != nil || d.name == "" {
		d.name = "a debugger"
	}
	return d, state
}

// greetDebugger says at the start what will keep a process from running as usual.
func (t *Tracer) greetDebugger(p *process) {
	d, state := debuggerOf(p.target.PID)
	switch {
	case d.pid != 0:
		t.meet(p, d)
	case state == "T":
		t.cfg.Logf("process %d (%s) is stopped: until it is continued nothing happens in it", p.target.PID, p.target.Command)
	}
}

// debugged reports whether anybody who may write to its code has a process under ptrace,
// and says so when one comes or goes.
func (t *Tracer) debugged() (any bool) {
	for _, p := range t.procs {
		if p.target == nil || p.gone() {
			continue
		}
		d, _ := debuggerOf(p.target.PID)
		t.meet(p, d)
		any = any || d.writesCode()
	}
	return any
}

// meet notes who has a process under ptrace now.
func (t *Tracer) meet(p *process, d debugger) {
	t.mu.Lock()
	before := p.debugger
	p.debugger = d
	if d.pid != 0 && !slices.Contains(p.debuggers, d) {
		p.debuggers = append(p.debuggers, d)
	}
	t.mu.Unlock()
	if d == before {
		return
	}
	process := fmt.Sprintf("process %d (%s)", p.target.PID, p.target.Command)
	if before.pid != 0 {
		t.cfg.Logf("%v has left %s", before, process)
	}
	switch {
	case d.writesCode():
		t.cfg.Logf("%v is attached to %s: let it leave before memtrace does; breakpoints that it sets at malloc, free "+
			"or the like do not stop the process now, and would end it with SIGTRAP once memtrace has left", d, process)
	case d.pid != 0:
		t.cfg.Logf("%v is attached to %s", d, process)
	}
}

// closeProbes takes probes away, or keeps them where a debugger may have found them.
func (t *Tracer) closeProbes(l probe.Links) error {
	if !t.debugged() {
		return t.attached.Close(l)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, l...)
	return nil
}

// closeKept takes away what was kept.
func (t *Tracer) closeKept() error {
	t.mu.Lock()
	kept := t.kept
	t.kept = nil
	t.mu.Unlock()
	return t.attached.Close(kept)
}

// outstay waits for debuggers to leave, for debuggerPatience at most.
func (t *Tracer) outstay() {
	if !t.debugged() {
		return
	}
	t.cfg.Logf("the probes stay until the debugger has left, for %v at most; Ctrl-C ends that at once", debuggerPatience)
	for end := time.Now().Add(debuggerPatience); t.debugged(); time.Sleep(debuggerInterval) {
		if time.Now().Before(end) {
			continue
		}
		for _, p := range t.procs {
			if d, _ := debuggerOf(p.target.PID); d.writesCode() {
				t.cfg.Logf("%v is still attached to process %d (%s): breakpoints that it set at malloc, free or the like "+
					"since memtrace came will end the process with SIGTRAP (see Limits in the README)",
					d, p.target.PID, p.target.Command)
			}
		}
		return
	}
}

// foreignBreakpoints returns the functions that a debugger has a breakpoint at, given that
// memtrace has none.
func foreignBreakpoints(p *process) (names []string) {
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

// checkLeft looks, once all probes are gone, for breakpoints that a debugger left.
func (t *Tracer) checkLeft() {
	for _, p := range t.procs {
		if len(p.debuggers) == 0 || p.debugger.pid != 0 || p.gone() || t.cfg.GrowthOnly {
			continue
		}
		if names := foreignBreakpoints(p); len(names) > 0 {
			t.cfg.Logf("a breakpoint that is not memtrace's is at %s in process %d (%s): where no other tool probes it, "+
				"SIGTRAP will end the process there", list(names), p.target.PID, p.target.Command)
		}
	}
}

// debuggerNote says in a report who was attached beside memtrace. The caller holds the
// lock.
func (p *process) debuggerNote(windowed bool) string {
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
