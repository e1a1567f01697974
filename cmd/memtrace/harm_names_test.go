package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"memtrace/tracer/testsupport/testprog"
)

// The names of a process, its program and its libraries must not steer a terminal that shows
// memtrace's messages, and no part of them may pass for a message.
func TestHarmNames(t *testing.T) {
	testprog.NeedRoot(t)
	const hostile = "a\x1b[2J\nmemtrace: all is well\n\u202e\xffz"
	dir := filepath.Join(t.TempDir(), hostile)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program, library := filepath.Join(dir, hostile), filepath.Join(dir, hostile+".so")
	copyFile(t, harmProgram(t, "names"), program)
	copyFile(t, harmProgram(t, "allocator.so"), library)

	p := testprog.Command(t, exec.Command(program, "\x1b[2J\nmem\xff\u202e", library))
	pid := strconv.Itoa(p.PID())
	m := startMemtrace(t, "-p", pid)
	p.Say("map")
	if line := p.Line(); line != "mapped" {
		t.Fatal(line)
	}
	waitFor(t, m, "are traced from now on")
	p.Say("exec")
	p.Line()
	waitFor(t, m, "runs another program")
	m.stop()
	messagesAreSafe(t, m.stderr.String())

	// A zombie, which nobody has waited for, still has its name.
	kill(t, p.PID())
	failed := launchMemtrace(t, "-p", pid)
	if code := failed.wait(); code != exitError || !strings.Contains(failed.stderr.String(), "has ended") {
		t.Errorf("of a process that has ended: %d, %q", code, failed.stderr.String())
	}
	messagesAreSafe(t, failed.stderr.String())

	// Paths on the command line must not either.
	failed = launchMemtrace(t, "-p", pid, "-o", filepath.Join(dir, "none", hostile))
	if code := failed.wait(); code != exitError {
		t.Errorf("an output that cannot be: %d", code)
	}
	messagesAreSafe(t, failed.stderr.String())
}

// messagesAreSafe fails the test unless text consists of printable lines of memtrace's own.
func messagesAreSafe(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		text, whole := strings.CutSuffix(line, "\n")
		if !whole || !strings.HasPrefix(text, "memtrace: ") || strings.HasPrefix(text, "memtrace: all is well") {
			t.Errorf("a line not of memtrace's own: %q", line)
		}
		if strings.ContainsFunc(text, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }) {
			t.Errorf("not to be printed: %q", line)
		}
	}
}

// kill ends a process and returns when it has ended, whoever has to wait for it.
func kill(t *testing.T, pid int) {
	t.Helper()
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	for {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.LastIndexByte(stat, ')'); bytes.HasPrefix(stat[i:], []byte(") Z")) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}
