package main

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// A report that reaches nobody is an error, unless whoever started memtrace discarded standard
// output on purpose.
func TestHarmStdout(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	dir := t.TempDir()
	binary := testprog.Memtrace(t)
	p := testprog.Start(t, "ways")
	trace := "-d 0.1 -T 1 -p " + strconv.Itoa(p.PID())
	file := " -o " + filepath.Join(dir, "report")
	for _, tc := range []struct {
		args, redirect string
		fails          bool
	}{
		{trace, ">&-", true},
		{trace, "<&- >&-", true},
		{trace, "<&- >&- 2>&-", true},
		{trace, ">/dev/full", true},
		{trace + " 0.05", "| true", true},
		{trace + file, ">&-", false},
		{trace + file, "<&- >&- 2>&-", false},
		{trace, ">/dev/null", false},
		{"system", ">&-", true},
		{"system", "> /dev/full", true},
		{"system", "<>/dev/null >&0", false},
		{"system" + file, ">&-", false},
		{"regions -d 0.1 -p " + strconv.Itoa(p.PID()), ">&-", true},
		{"grow -d 0.1 -p " + strconv.Itoa(p.PID()), ">&-", true},
		{"--help", ">&-", true},
		{"grow --help", "> /dev/full", true},
		{"--version", ">&-", true},
		{"--version", ">/dev/null", false},
	} {
		// The exit code is that of the first command of the pipe.
		cmd := exec.Command("bash", "-c", binary+" "+tc.args+" "+tc.redirect+"; exit ${PIPESTATUS[0]}")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Run(); (err != nil) != tc.fails || err != nil && cmd.ProcessState.ExitCode() != int(exitError) {
			t.Errorf("memtrace %s %s: %v\n%s", tc.args, tc.redirect, err, stderr.String())
		}
		said := errorLines(stderr.String())
		if silenced := strings.Contains(tc.redirect, "2>&-"); tc.fails && !silenced && len(said) != 1 {
			t.Errorf("memtrace %s %s: said %q, want one line", tc.args, tc.redirect, stderr.String())
		}
	}
}

// errorLines returns the messages in text that are not about progress.
func errorLines(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "memtrace: tracing") && !strings.HasPrefix(line, "memtrace: watching") {
			lines = append(lines, line)
		}
	}
	return lines
}
