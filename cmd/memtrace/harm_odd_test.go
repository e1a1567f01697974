package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// Where limits and file systems are unusual, memtrace either works or says in one line what is
// wrong.
func TestHarmOddPlaces(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	dir := t.TempDir()
	binary := testprog.Memtrace(t)
	p := testprog.Start(t, "ways")
	types, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"empty": nil, "short": types[:100], "half": types[:len(types)/2],
		"garbage": append(append([]byte{}, types[:24]...), make([]byte, len(types)-24)...),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const (
		noProc   = "mount -t tmpfs none /proc"
		fullDisk = "mount -t tmpfs -o size=4k none /mnt && ! head -c 8192 /dev/zero >/mnt/filler 2>/dev/null"
		// $MEMTRACE is the program and $PID a process that can be traced.
		trace  = "exec $MEMTRACE -d 0.1 -p $PID"
		launch = "exec $MEMTRACE -- echo it ran"
	)
	bind := func(name string) string {
		return "mount --bind " + filepath.Join(dir, name) + " /sys/kernel/btf/vmlinux"
	}
	for _, tc := range []struct {
		before, command string
		says            string // "" where it must work
	}{
		{"ulimit -n 4", trace, "open files"},
		{"ulimit -n 5", trace, "open files"},
		{"ulimit -n 7", trace, "open files"},
		{"ulimit -n 32", trace, "open files"},
		{"ulimit -n 32", launch, "open files"},
		{"ulimit -n 256", "exec $MEMTRACE serve --listen 0 -d 0.1 -p $PID", "open files"},
		{"ulimit -n 8", "exec $MEMTRACE system", "open files"},
		{"ulimit -n 32", "exec $MEMTRACE system", ""},
		{"ulimit -v 2000000", trace, "address space"},
		{noProc, trace, "needs /proc"},
		{noProc, launch, "needs /proc"},
		{noProc, "exec $MEMTRACE grow -p $PID", "needs /proc"},
		{noProc, "exec $MEMTRACE regions -p $PID", "needs /proc"},
		{noProc, "exec $MEMTRACE system", "needs /proc"},
		{bind("empty"), trace, "type information"},
		{bind("empty"), launch, "type information"},
		{bind("short"), trace, "type information"},
		{bind("half"), trace, "type information"},
		{bind("garbage"), trace, "type information"},
		{bind("garbage"), "exec $MEMTRACE grow -p $PID", "type information"},
		{"mount -t tmpfs none /sys", trace, "type information"},
		{"mount -t tmpfs none /dev", trace, ""},
		{"mkdir gone && cd gone && rmdir ../gone", trace, ""},
		{fullDisk, trace + " -o /mnt/report", "no space left"},
		{"mount -t tmpfs -o ro none /mnt", trace + " -o /mnt/report", "read-only file system"},
		{"ulimit -f 0", trace + " -o report", "file too large"},
	} {
		cmd := exec.Command("unshare", "-m", "bash", "-c", tc.before+" && "+tc.command)
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "MEMTRACE="+binary, "PID="+strconv.Itoa(p.PID()))
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		if err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Fatal(err)
		}
		code, said := cmd.ProcessState.ExitCode(), errorLines(stderr.String())
		switch {
		case tc.says == "" && (code != 0 || len(said) > 0 || stdout.Len() == 0):
			t.Errorf("%s: %s: %d, said %q", tc.before, tc.command, code, stderr.String())
		case tc.says != "" && (code != int(exitError) || len(said) != 1 || !strings.Contains(said[0], tc.says) || stdout.Len() > 0):
			t.Errorf("%s: %s: %d, wrote %q, said %.500q", tc.before, tc.command, code, stdout.String(), stderr.String())
		}
	}
}
