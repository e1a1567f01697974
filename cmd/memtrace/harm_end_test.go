package main

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// A report says how the process ended, and above all by which signal, since probes next to a
// debugger may have caused it.
func TestHarmEnd(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for _, tc := range []struct {
		how, signal string
		status      int
		more        []string
	}{
		{how: "exit 0"},
		{how: "exit 3", status: 3},
		{how: "signal 5", signal: "SIGTRAP"},
		{how: "signal 4", signal: "SIGILL", more: budget},
		{how: "signal 6", signal: "SIGABRT"},
		{how: "signal 40", signal: "signal 40"},
	} {
		t.Run(tc.how, func(t *testing.T) {
			p := testprog.Command(t, exec.Command(harmProgram(t, "ends")))
			m := startMemtrace(t, append(tc.more, "-p", strconv.Itoa(p.PID()))...)
			p.Say(tc.how)
			if code := m.wait(); code != exitOK {
				t.Fatalf("memtrace ended with %d: %s", code, m.stderr.String())
			}
			target := m.reports()[0].Target
			if !target.Exited || target.ExitSignal != tc.signal || target.ExitStatus != tc.status {
				t.Errorf("%+v, want signal %q and status %d", target, tc.signal, tc.status)
			}
		})
	}
}

// A process that copies its code copies the probes too, which nobody can prevent. The report
// says what happened.
func TestHarmCopiedProbes(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Command(t, exec.Command(harmProgram(t, "text"), "plain"))
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
	leak(p, 5)
	p.Say("huge")
	p.Line()
	p.Say("leak 1")
	if code := m.wait(); code != exitOK {
		t.Fatalf("memtrace ended with %d: %s", code, m.stderr.String())
	}
	r := m.reports()[0]
	if r.Target.ExitSignal != "SIGTRAP" || !strings.Contains(strings.Join(r.Notes, " "), "copied with the probes") {
		t.Errorf("%+v, notes %q", r.Target, r.Notes)
	}
}
