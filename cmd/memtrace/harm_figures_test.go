package main

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// A free that a small ring buffer had no room for is not counted as a free that nobody saw.
func TestHarmSmallRing(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := testprog.Command(t, exec.Command(harmProgram(t, "recycler")))
	m := startMemtrace(t, "--ring-size", "4k", "-p", strconv.Itoa(p.PID()))
	p.Say("go")
	p.Line()
	r := m.stop()
	if r.Events.Lost.Alloc == 0 {
		t.Error("the ring took everything: the test tests nothing")
	}
	if r.Events.Evicted != 0 {
		t.Errorf("%d blocks handed out again although no free of them was seen; %v", r.Events.Evicted, r.Notes)
	}
	var kept uint64
	for _, s := range r.Stacks {
		if s.Bytes == 4001*s.Blocks {
			kept += s.Blocks
		}
	}
	if kept != 5 || r.Outstanding.Blocks != 5 {
		t.Errorf("%d of 5 blocks are outstanding, %d in all", kept, r.Outstanding.Blocks)
	}
}

// If a program execs all the time, no window is observed whole. The report says so.
func TestHarmExecs(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := testprog.Command(t, exec.Command(harmProgram(t, "execer")))
	m := launchMemtrace(t, "-d", "8", "-p", strconv.Itoa(p.PID()))
	if code := m.wait(); code != exitOK {
		t.Fatalf("%d: %s", code, m.stderr.String())
	}
	if text := strings.Join(strings.Fields(m.stdout.String()), " "); !strings.Contains(text, "has executed another program") {
		t.Errorf("nothing is said of it:\n%s", text)
	}
	m = startMemtrace(t, "--max-overhead", "3", "-d", "8", "-p", strconv.Itoa(p.PID()))
	if code := m.wait(); code != exitOK {
		t.Fatalf("%d: %s", code, m.stderr.String())
	}
	r := m.reports()[0]
	if s := r.Sampling; s == nil || s.Execs == 0 || s.Windows > 0 {
		t.Errorf("sampling %+v", s)
	}
}
