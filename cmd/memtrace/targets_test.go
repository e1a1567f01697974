package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// Processes that cannot be traced are named, and the others are traced. If none is left, that is
// an error.
func TestLeftOut(t *testing.T) {
	testprog.NeedRoot(t)
	program := testprog.BuildProgram(t, "gcc -O1 -g", forgetful)
	pid := testprog.Command(t, exec.Command(program)).PID()
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	ended := gone.Process.Pid
	const kernelThread = 2

	m := launchMemtrace(t, "-f", "json", "-d", "1s", "-p", fmt.Sprintf("%d,%d,%d", ended, pid, kernelThread))
	if code := m.wait(); code != exitOK {
		t.Fatalf("ended with %d: %s", code, m.stderr.String())
	}
	if got := m.reports(); len(got) != 1 || got[0].Target.PID != pid {
		t.Errorf("%d reports, not one of process %d", len(got), pid)
	}
	for _, want := range []string{
		fmt.Sprintf(`(?m)^memtrace: process %d: no such process; the others are traced$`, ended),
		fmt.Sprintf(`(?m)^memtrace: process %d .* is a kernel thread, .*; the others are traced$`, kernelThread),
	} {
		if !regexp.MustCompile(want).MatchString(m.stderr.String()) {
			t.Errorf("no line like %s in\n%s", want, m.stderr.String())
		}
	}
	code, _, stderr := runFor(t, "-d", "1s", "-p", fmt.Sprintf("%d,%d", ended, kernelThread))
	if code != exitError || !strings.Contains(stderr, fmt.Sprintf("process %d: no such process\n", ended)) {
		t.Errorf("with none left it ends with %d: %s", code, stderr)
	}
}

// Names of cgroups, containers and units that nothing runs in are errors of usage.
func TestUnknownTargets(t *testing.T) {
	testprog.NeedRoot(t)
	for args, want := range map[string]string{
		"--cgroup /none/such":     `there is no cgroup "/none/such": give a path as /proc/PID/cgroup or /sys/fs/cgroup has it`,
		"--container deadbeef":    `no process runs in a container "deadbeef"`,
		"--container web":         `container "web": give its id, or the first 4 characters or more of it, not its name`,
		"--unit memtrace-no-such": `no process runs in a unit "memtrace-no-such.service"`,
		"--unit x -- true":        "--unit and a command exclude each other: give one",
	} {
		for _, command := range []string{"", "grow "} {
			code, _, stderr := runFor(t, strings.Fields(command+args)...)
			if command != "" && strings.Contains(args, "--unit x") {
				continue // grow has no commands
			}
			if code != exitUsage || !strings.HasPrefix(stderr, "memtrace: "+want+"\n") {
				t.Errorf("%s%s: ended with %d: %s", command, args, code, stderr)
			}
		}
	}
}
