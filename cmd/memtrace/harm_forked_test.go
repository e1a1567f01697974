package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// A process that shares memory with its parent still shares it after memtrace has looked at
// it.
func TestHarmForked(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	const sharedAllowance = 4 << 20 // what the child itself writes to
	for _, tc := range []struct {
		name string
		args []string
	}{
		{"exact", []string{"--exact", "-d", "5"}},
		{"windows", append(budget, "-d", "17")}, // heaps are walked from 5 s on
		{"grow", nil},
		{"regions", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			parent := testprog.CommandUnder(t, exec.Command(harmProgram(t, "forked")))
			child := childOf(t, parent.PID())
			pid := strconv.Itoa(child)
			args := append(tc.args, "-p", pid)
			if tc.args == nil {
				args = []string{tc.name, "-p", pid, "-d", "5"}
			}
			time.Sleep(time.Second) // lets the child set up what it works with
			before := proportional(t, child)
			m := launchMemtrace(t, args...)
			code := m.wait()
			after := proportional(t, child)
			t.Logf("%d MiB of memory before, %d after", before>>20, after>>20)
			if code != exitOK {
				t.Errorf("memtrace ended with %d: %s", code, m.stderr.String())
			}
			if after > before+sharedAllowance {
				t.Errorf("the child has %d MiB of its own, %d before: shared pages became copies", after>>20, before>>20)
			}
		})
	}
}

// childOf returns the only child of a process.
func childOf(t *testing.T, pid int) (child int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	scanLine(t, string(text), "%d", &child)
	return child
}

// proportional returns the memory of a process in bytes, with shared memory divided among
// those who share it.
func proportional(t *testing.T, pid int) (bytes int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^Pss: +(\d+) kB$`).FindSubmatch(text)
	if line == nil {
		t.Fatalf("no Pss of process %d in %s", pid, text)
	}
	kilobytes, _ := strconv.Atoi(string(line[1]))
	return kilobytes << 10
}
