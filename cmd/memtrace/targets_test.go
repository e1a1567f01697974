package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"memtrace/tracer/process/cgroup"
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
			if command != "" && strings.Contains(args, " -- ") {
				continue // grow has no commands
			}
			code, _, stderr := runFor(t, strings.Fields(command+args)...)
			if code != exitUsage || !strings.HasPrefix(stderr, "memtrace: "+want+"\n") {
				t.Errorf("%s%s: ended with %d: %s", command, args, code, stderr)
			}
		}
	}
}

// makeCgroup makes a cgroup, and removes it after the test. It returns its folder.
func makeCgroup(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range cgroup.Mounts(string(text)) {
		dir := filepath.Join(m.Point, name)
		if m.Hierarchy != cgroup.V2 && m.Hierarchy != "memory" || os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			for deadline := time.Now().Add(patience); os.Remove(dir) != nil; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%s cannot be removed", dir)
				}
			}
		})
		return dir
	}
	testprog.Missing(t, "needs a mount of cgroups")
	return ""
}

// A cgroup's processes are traced, and so are those that join it later. One that ends meanwhile
// has its report.
func TestCgroup(t *testing.T) {
	testprog.NeedRoot(t)
	name := fmt.Sprintf("memtrace-test-%d", os.Getpid())
	dir := makeCgroup(t, name)
	program := testprog.BuildProgram(t, "gcc -O1 -g -fno-builtin -fno-optimize-sibling-calls", forgetful)
	join := func(pid int) {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			t.Fatal(err)
		}
	}
	start := func() *testprog.Program { return testprog.Command(t, exec.Command(program, "500")) }
	first, second, outside := start(), start(), start()
	join(first.PID())

	m := startMemtrace(t, "--cgroup", name, "--heap=500ms")
	join(second.PID())
	joined := fmt.Sprintf("process %d has joined: it is traced, too", second.PID())
	for deadline := time.Now().Add(patience); !strings.Contains(m.stderr.String(), joined); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d was not found: %s", second.PID(), m.stderr.String())
		}
	}
	time.Sleep(time.Second) // for what it leaks meanwhile
	if err := syscall.Kill(second.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	m.cancel()
	if code := m.wait(); code != exitOK {
		t.Fatalf("ended with %d: %s", code, m.stderr.String())
	}
	got := make(map[int]uint64)
	for _, r := range m.reports() {
		got[r.Target.PID] = r.Outstanding.Blocks
		if r.Target.PID == first.PID() && (r.Heap == nil || r.Heap.Looks == 0) {
			t.Errorf("its heap: %+v", r.Heap)
		}
		if r.Target.PID == second.PID() && !r.Target.Exited {
			t.Error("it is not said that a process has ended")
		}
	}
	if len(got) != 2 || got[first.PID()] < 100 || got[second.PID()] < 50 {
		t.Errorf("blocks by process %v, want those of %d and %d and not of %d", got, first.PID(), second.PID(), outside.PID())
	}
}
