package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// said runs memtrace with arguments that it cannot use, or that ask for a text.
func said(t *testing.T, args ...string) (code exitCode, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, nil, &out, &errs)
	return code, out.String(), errs.String()
}

// What was typed wrongly, or as one would with another tool, gets a line that says what to
// type.
func TestManners(t *testing.T) {
	own := strconv.Itoa(os.Getppid())
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{own}, own + " is a process: did you mean -p " + own + "?"},
		{[]string{"-p", own, own}, own + " is a process: give several as"},
		{[]string{"-p", own, own, own}, own + " is a process: give several as"},
		{[]string{"-p", ""}, "it is empty: a variable is not set, or pidof or pgrep found no process"},
		{[]string{"-p", "  "}, "it is empty"},
		{[]string{"-p", "nosuchprogram"}, `no process is called "nosuchprogram"`},
		{[]string{"-p", "0"}, "a process id is 1 or more"},
		{[]string{"-p", own + " -3"}, "a process id is 1 or more"},
		{[]string{"regoins", "-p", own}, `"regoins" is not a command: did you mean memtrace regions?`},
		{[]string{"sytsem"}, `"sytsem" is not a command: did you mean memtrace system?`},
		{[]string{"--intervall", "5", "-p", own}, "unknown flag --intervall: did you mean --interval?"},
		{[]string{"--durration=5"}, "unknown flag --durration: did you mean --duration?"},
		{[]string{"grow", "--fromat", "json"}, "unknown flag --fromat: did you mean --format?"},
		{[]string{"regions", "--outptu", "x"}, "unknown flag --outptu: did you mean --output?"},
		{[]string{"--fail-on", "leek", "-p", own}, "give leak, possible, active, cache, any, or a kind of finding: active_leak, "},
		{[]string{"--fail-on", "", "-p", own}, `invalid argument "" for "--fail-on"`},
		{[]string{"--fail-over", "much", "-p", own}, "give a number of bytes"},
		{[]string{"--suppressions", "/no/such/file", "-p", own}, "--suppressions: open /no/such/file: no such file"},
		{[]string{"grow", "--suppressions", "manners_test.go", "-p", own}, `manners_test.go:1: "package main" is not leak:PATTERN`},
		{[]string{"--xyzzy"}, "unknown flag: --xyzzy"},
		{[]string{"/bin/true"}, "put a command after --: memtrace -- /bin/true"},
		{[]string{"help", "grov"}, `"grov" is not a command: did you mean memtrace help grow?`},
		{[]string{"help", "qqqqqq"}, "the commands are grow, heap, regions, report, diff, serve, system, help, version"},
		{[]string{"version", "1"}, "version takes no arguments"},
		{[]string{"regions", "-p", own + " 1"}, "one process is watched at a time"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			code, stdout, stderr := said(t, tc.args...)
			if code != exitUsage || stdout != "" || !strings.Contains(stderr, tc.want) {
				t.Errorf("ended with %d: %q, want %q", code, stderr, tc.want)
			}
			if n := strings.Count(stderr, "\n"); n != 2 {
				t.Errorf("%d lines: %s", n, stderr)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	_, help, _ := said(t, "--help")
	for _, tc := range []struct{ args, want string }{
		{"help", help},
		{"help grow", "memtrace grow shows"},
		{"help regions", "memtrace regions shows"},
		{"help serve", "memtrace serve traces"},
		{"serve record --help", "memtrace serve traces"},
		{"help system", "memtrace system shows"},
		{"help help", "memtrace help: "},
		{"version", "memtrace " + version()},
	} {
		code, stdout, stderr := said(t, strings.Fields(tc.args)...)
		if code != exitOK || !strings.HasPrefix(stdout, tc.want) || stderr != "" {
			t.Errorf("%s: %d, %q, %q", tc.args, code, stdout, stderr)
		}
	}
}

// -p takes what pidof prints, lists, and the names of programs, each process once.
func TestPIDs(t *testing.T) {
	first, second := sleeper(t, nil), sleeper(t, nil)
	a, b := first.Process.Pid, second.Process.Pid
	for given, want := range map[string][]int{
		fmt.Sprintf("%d %d", a, b): {a, b}, fmt.Sprintf("%d,%d", b, a): {b, a}, fmt.Sprintf("%d\n", a): {a},
		fmt.Sprintf("%d, %d %d", a, b, a): {a, b},
	} {
		var v pidsValue
		if err := v.Set(given); err != nil || !slices.Equal(v, want) {
			t.Errorf("%q: %v, %v", given, v, err)
		}
	}
	// A name that the kernel cuts is found by the executable's.
	long := filepath.Join(t.TempDir(), "a-name-of-more-than-15-bytes")
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(sleep)
	if err == nil {
		err = os.WriteFile(long, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	named := exec.Command(long, "60")
	if err := named.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = named.Process.Kill(); _ = named.Wait() }()
	for _, name := range []string{filepath.Base(long), filepath.Base(long)[:15]} {
		var v pidsValue
		if err := v.Set(name); err != nil || !slices.Equal(v, pidsValue{named.Process.Pid}) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

// A file is as it was until a report was written whole, and is a link as it was.
func TestOutputIsReplacedWhole(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "report"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("report", link); err != nil {
		t.Fatal(err)
	}
	holds := func(want string) {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil || string(text) != want {
			t.Errorf("it holds %q, %v, want %q", text, err, want)
		}
	}
	f, err := newOutFile(link)
	if err != nil {
		t.Fatal(err)
	}
	holds("before")
	fmt.Fprint(f, "half")
	holds("before")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	holds("before")
	if f, err = newOutFile(link); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"one ", "two"} {
		fmt.Fprint(f, part)
		if err := f.Done(); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	holds("one two")
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link: %v, %v", info, err)
	}
	if info, err = os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v is left, %v", entries, err)
	}
	for _, bad := range []string{dir, filepath.Join(dir, "none", "file"), filepath.Join(path, "file")} {
		if _, err := newOutFile(bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// SIGUSR1 has a report printed, and the trace goes on. Of a form that holds one there is
// none before the end.
func TestReportOnDemand(t *testing.T) {
	testprog.NeedRoot(t)
	for _, format := range []string{"json", "folded"} {
		p := testprog.Start(t, "busy")
		m := startMemtrace(t, "-f", format, "-p", strconv.Itoa(p.PID()))
		time.Sleep(300 * time.Millisecond) // until the signal is caught
		if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		if format == "folded" {
			waitFor(t, m, "--format folded holds only one report")
		} else {
			for deadline := time.Now().Add(time.Minute); !strings.Contains(m.stdout.String(), "\n}\n"); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("there is no report")
				}
			}
		}
		m.cancel()
		if code := m.wait(); code != exitOK {
			t.Errorf("ended with %d: %s", code, m.stderr.String())
		}
		if format == "json" {
			if all := m.reports(); len(all) != 2 {
				t.Errorf("%d reports", len(all))
			}
		}
	}
}

// Two signals within a moment, as timeout(1) sends them to a process and its group, are one.
func TestTwoSignalsAtOnce(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "busy")
	ready := filepath.Join(t.TempDir(), "ready")
	m := startBuilt(t, testprog.Memtrace(t), "-p", strconv.Itoa(p.PID()), "-f", "json", "--ready-file", ready)
	waitForFile(t, ready, m)
	if err := m.cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	m.interrupt(exitOK)
	if stdout, _ := m.output(); !strings.Contains(stdout, `"complete": true`) {
		t.Errorf("no report: %s", stdout)
	}
}

// When the trace is over and the command is not, memtrace says what it waits for.
func TestWaitsForCommand(t *testing.T) {
	testprog.NeedRoot(t)
	m := launchMemtrace(t, "-d", "200ms", "--", "sleep", "2")
	waitFor(t, m, "the trace is over; waiting for sleep to end")
	if code := m.wait(); code != exitOK {
		t.Errorf("ended with %d: %s", code, m.stderr.String())
	}
	m = launchMemtrace(t, "-d", "20s", "--", "true")
	if code := m.wait(); code != exitOK || strings.Contains(m.stderr.String(), "waiting") {
		t.Errorf("ended with %d: %s", code, m.stderr.String())
	}
}

// memtrace holds a command until its probes are in place. It does not take itself for a
// debugger.
func TestHoldsCommand(t *testing.T) {
	testprog.NeedRoot(t)
	m := launchMemtrace(t, "--exact", "-f", "json", "--", testprog.Path(t, "short"))
	m.wait()
	if notes := m.reports()[0].Notes; strings.Contains(m.stderr.String(), "is attached") || strings.Contains(strings.Join(notes, " "), "ptrace") {
		t.Errorf("it said %q, notes %q", m.stderr.String(), notes)
	}
}
