package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// startReady builds a program and starts it, and waits until it says that it is ready.
func startReady(t *testing.T, compile, source string, args ...string) *testprog.Program {
	t.Helper()
	return testprog.Command(t, exec.Command(testprog.BuildProgram(t, compile, source), args...))
}

// The heaps of other allocators, and other people's, are refused in one line.
func TestHeapRefusals(t *testing.T) {
	sleeps := `#include <stdlib.h>
#include <unistd.h>
int main(void) { void *volatile p = malloc(10); p = p; write(1, "ready sleeps\n", 13); pause(); }`
	start := func(compile, preload string) int {
		cmd := exec.Command(testprog.BuildProgram(t, compile, sleeps))
		if preload != "" {
			cmd.Env = append(os.Environ(), "LD_PRELOAD="+testprog.Library(t, preload))
		}
		return testprog.Command(t, cmd).PID()
	}
	for _, tc := range []struct{ compile, preload, want string }{
		{"gcc", "libjemalloc.so.2", "jemalloc"},
		{"gcc", "libtcmalloc_minimal.so.4", "tcmalloc"},
		{"musl-gcc", "", "musl"},
	} {
		code, stdout, stderr := runFor(t, "heap", "-p", fmt.Sprint(start(tc.compile, tc.preload)))
		if code != exitError || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tc.want) || !strings.Contains(stderr, "only heaps of glibc's malloc can be read") {
			t.Errorf("%s: %d, %q, %q", tc.want, code, stdout, stderr)
		}
	}
}

// Without privileges a user can look at their own processes but not others'.
func TestWithoutRoot(t *testing.T) {
	testprog.NeedRoot(t) // to become someone else
	dir := openDir(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	binary := filepath.Join(dir, "memtrace")
	copyFile(t, testprog.Memtrace(t), binary)
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	run := func(args ...string) (stdout, stderr string, code int) {
		cmd := exec.CommandContext(ctx, binary, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: nobody}
		cmd.Dir = dir
		var out, messages bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &messages
		_ = cmd.Run() // the exit code says how it ended
		return out.String(), messages.String(), cmd.ProcessState.ExitCode()
	}
	own, others := fmt.Sprint(sleeper(t, nobody).Process.Pid), fmt.Sprint(sleeper(t, nil).Process.Pid)
	for _, tc := range []struct {
		command, interval, count string
		good                     func(stdout string) bool
	}{
		{"regions", "50ms", "8", func(stdout string) bool {
			m := decodeReports[report.MemoryReport](t, stdout)[0].Memory
			return m.Complete && m.ResidentBytes > 0
		}},
		{"heap", "20ms", "3", func(stdout string) bool {
			r := decodeReports[report.HeapReport](t, stdout)[0]
			return r.Looks == 3 && r.Blocks.InUse.Blocks > 0
		}},
	} {
		if stdout, stderr, code := run(tc.command, "-p", own, "-f", "json", tc.interval, tc.count); code != 0 || !tc.good(stdout) {
			t.Errorf("%s of one's own process: %d, %s%s", tc.command, code, stderr, stdout)
		}
		stdout, stderr, code := run(tc.command, "-p", others, "-f", "json", tc.interval, tc.count)
		if code != 1 || stdout != "" || !strings.HasSuffix(stderr, "of user 0: not permitted: it is another user's process: run memtrace as root, or with CAP_SYS_PTRACE\n") {
			t.Errorf("%s of another's process: %d, %q, %q", tc.command, code, stdout, stderr)
		}
	}
}
