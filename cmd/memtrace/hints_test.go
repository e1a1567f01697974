package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// A file's package is found by dpkg's lists, also by its name before /lib became a link, in the
// time there is.
func TestPackageOf(t *testing.T) {
	lists := t.TempDir()
	for name, text := range map[string]string{
		"libfoo1:amd64.list": "/.\n/usr/lib\n/usr/lib/libfoo.so.1.2\n/usr/lib/libfoo.so.1\n",
		"bar.list":           "/.\n/lib/libbar.so\n/usr/bin/bar\n",
	} {
		if err := os.WriteFile(filepath.Join(lists, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	late := time.Now().Add(time.Hour)
	for path, want := range map[string]string{
		"/usr/lib/libfoo.so.1": "libfoo1", "/usr/lib/libfoo.so": "", "/usr/lib/libbar.so": "bar", "/usr/bin/bar": "bar", "/bar": "",
	} {
		if got := packageOf(lists, path, late); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := packageOf(lists, "/usr/bin/bar", time.Now().Add(-time.Second)); got != "" {
		t.Errorf("found %q when the time was over", got)
	}
}

// Of a program without debug information, the last line says how to have its lines.
func TestHintOnLines(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for flags, want := range map[string]bool{"": true, " -g": false} {
		program := testprog.BuildProgram(t, "gcc -O1 -fno-builtin -fno-optimize-sibling-calls"+flags, forgetful)
		p := testprog.Command(t, exec.Command(program, "50000"))
		code, stdout, stderr := runFor(t, "--exact", "-d", "10s", "-p", fmt.Sprint(p.PID()))
		hint := strings.Contains(strings.Join(strings.Fields(stdout), " "), "hint: The frames of program ")
		if code != exitOK || hint != want || want && !strings.Contains(stdout, "build it with -g") {
			t.Errorf("flags %q: ended with %d: %s%s", flags, code, stdout, stderr)
		}
		p.Kill()
	}
}
