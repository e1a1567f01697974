package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"memtrace/tracer/record"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// allocating allocates on demand, "a 7" seven blocks in take_a, and with "go" on and on.
const allocating = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
__attribute__((noinline)) void *take_a(void) { return memset(malloc(1000), 1, 1000); }
__attribute__((noinline)) void *take_b(void) { return memset(malloc(2000), 1, 2000); }
int main(void) {
	char what[16];
	int n;
	printf("ready %d\n", getpid());
	fflush(stdout);
	while (scanf("%15s %d", what, &n) == 2) {
		for (int i = 0; i < n; i++) {
			if (what[0] == 'g')
				usleep(1000);
			void *p = what[0] == 'b' ? take_b() : take_a();
			if (what[0] == 'f')
				free(p);
		}
		printf("done\n");
		fflush(stdout);
	}
}
`

// allocate starts that program and returns how to make it allocate.
func allocate(t *testing.T) (p *testprog.Program, take func(what string)) {
	t.Helper()
	testprog.NeedRoot(t)
	p = testprog.Command(t, exec.Command(testprog.BuildProgram(t, "gcc -g -O1", allocating)))
	return p, func(what string) {
		t.Helper()
		p.Say(what)
		if line := p.Line(); line != "done" {
			t.Fatalf("it says %q", line)
		}
	}
}

// render runs memtrace report or diff.
func render(t *testing.T, args ...string) string {
	t.Helper()
	m := launchMemtrace(t, args...)
	if code := m.wait(); code != exitOK {
		t.Fatalf("memtrace %s: %d, %s", strings.Join(args, " "), code, m.stderr.String())
	}
	return m.stdout.String()
}

// The report from a record is the one that the trace itself has printed, in each form.
func TestRecordRendersTheReport(t *testing.T) {
	p, take := allocate(t)
	path := filepath.Join(t.TempDir(), "r.rec")
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()), "--record", path)
	take("a 7")
	take("b 5")
	time.Sleep(1200 * time.Millisecond)
	want := m.stop()
	read := launchMemtrace(t, "report", path, "-f", "json", "-T", "0")
	if code := read.wait(); code != exitOK {
		t.Fatal(read.stderr.String())
	}
	r := read.reports()[0]
	if r.Outstanding != want.Outstanding || len(r.Stacks) != len(want.Stacks) || r.Events != want.Events {
		t.Errorf("%+v in %d stacks, want %+v in %d", r.Outstanding, len(r.Stacks), want.Outstanding, len(want.Stacks))
	}
	if diff := cmp.Diff(want.Stacks, r.Stacks, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
		t.Errorf("stacks (-trace +record):\n%s", diff)
	}
	for form, has := range map[string]string{"text": "take_b", "folded": ";main;take_b 10000\n", "pprof": ""} {
		if text := render(t, "report", path, "-f", form); !strings.Contains(text, has) {
			t.Errorf("%s: %s", form, text)
		}
	}
	if list := render(t, "report", path, "--list"); !strings.Contains(list, "snapshots from ") || strings.Contains(list, "without an end") {
		t.Error(list)
	}
	if several := strings.Count(render(t, "report", path, "--from", "start", "--to", "1s", "-f", "json"), `"schema"`); several < 2 {
		t.Errorf("%d snapshots in the first second", several)
	}
}

// A record needs none of the binaries: in a root that has nothing but a static memtrace and the
// record, every form has every name.
func TestRecordRendersElsewhere(t *testing.T) {
	p, take := allocate(t)
	root := openDir(t)
	path := filepath.Join(root, "r.rec")
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()), "--record", path)
	take("a 7")
	take("b 5")
	m.stop()
	copyFile(t, testprog.Memtrace(t), filepath.Join(root, "memtrace"))
	for form, has := range map[string]string{"text": "program.c:8", "json": `"function": "take_b"`, "folded": ";main;take_b 10000\n", "pprof": ""} {
		cmd := exec.Command("/memtrace", "report", "/r.rec", "-f", form, "--full")
		cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Chroot: root}, "/"
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || !strings.Contains(string(out), has) || len(out) == 0 {
			t.Errorf("%s: %v, %s%s", form, err, out, stderr.String())
		}
		if form != "pprof" {
			continue
		}
		file := filepath.Join(t.TempDir(), "p")
		if err := os.WriteFile(file, out, 0o644); err != nil {
			t.Fatal(err)
		}
		if top := goTool(t, "-top", file); !strings.Contains(top, "take_b") {
			t.Error(top)
		}
	}
}

// goTool runs go tool pprof.
func goTool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"tool", "pprof", "-symbolize=none"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("go tool pprof: %v\n%s", err, out)
	}
	return string(out)
}

// What is wrong with a record is found before anything is traced.
func TestRecordRefusals(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("r", link); err != nil {
		t.Fatal(err)
	}
	self := []string{"-p", strconv.Itoa(os.Getpid())} // which is refused later
	for _, tc := range []struct {
		args string
		code exitCode
		want string
	}{
		{"--record " + there, exitError, "the record " + there + " exists already: remove it, or give another name"},
		{"--record " + dir, exitError, "exists already"},
		{"--record " + dir + "/no/such", exitError, "no such file or directory"},
		{"--record /proc/r.rec", exitError, "create the record /proc/r.rec: "},
		{"--record /dev/null", exitError, "exists already"},
		{"--record-size 64M", exitUsage, "--record-every and --record-size go with --record FILE"},
		{"--record " + dir + "/r --record-size 4k", exitUsage, "--record-size 4096: give 1M or more"},
		{"--mark-every 10ms", exitUsage, "give 1s or more"},
		{"--record " + dir + "/r --record-every 1ms", exitUsage, "--record-every 1ms: give 10ms or more"},
		{"--record " + dir + "/r -o " + dir + "/../" + filepath.Base(dir) + "/r", exitUsage, "would replace " + dir + "/r: give another name"},
		{"--record " + dir + "/r -o " + link, exitUsage, "would replace " + dir + "/r: give another name"},
		{"--record " + dir + "/r", exitError, "is memtrace itself"},
	} {
		m := launchMemtrace(t, append(strings.Fields(tc.args), self...)...)
		if code := m.wait(); code != tc.code || !strings.Contains(m.stderr.String(), tc.want) {
			t.Errorf("memtrace %s: %d, %q, want %q", tc.args, code, m.stderr.String(), tc.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "r")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a record without a snapshot is left: %v", err)
	}
}

// waitRecorded waits until a snapshot has so many blocks: events are read with some delay.
func waitRecorded(t *testing.T, path string, blocks uint64) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		r, err := record.Open(path)
		if err != nil {
			continue // there is none yet
		}
		reports, err := r.At(r.Len() - 1)
		if closeErr := r.Close(); err != nil || closeErr != nil {
			t.Fatal(err, closeErr)
		}
		if reports[0].Outstanding.Blocks >= blocks {
			return
		}
	}
	t.Fatalf("no snapshot has %d blocks", blocks)
}

// Marks begin generations: what was allocated since the last one and is still there is told, by
// stack, whoever makes them.
func TestMarks(t *testing.T) {
	p, take := allocate(t)
	path := filepath.Join(t.TempDir(), "r.rec")
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()), "--record", path, "--sort", "since-mark")
	take("a 11")
	for n := 1; n <= 2; n++ {
		waitRecorded(t, path, uint64(11+3*(n-1)))
		if err := unix.Kill(os.Getpid(), unix.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		waitFor(t, m, "mark "+strconv.Itoa(n))
		take(fmt.Sprintf("b %d", 2+n))
		take("f 5")
	}
	r := m.stop()
	if len(r.Marks) != 2 || r.SinceMark == nil || *r.SinceMark != (report.Sum{Bytes: 8000, Blocks: 4}) {
		t.Errorf("marks %+v, since the last %+v", r.Marks, r.SinceMark)
	}
	if s := &r.Stacks[0]; s.SinceMarkBlocks != 4 || s.Blocks != 7 || s.Frames[0].Function != "take_b" {
		t.Errorf("first is %+v", s)
	}
	text := render(t, "report", path)
	for _, want := range []string{"Since the mark 2, ", "8,000 B (7.8 KiB) in 4 blocks were allocated and are still there", "7.8 KiB in 4 blocks since the mark", "0 B in 0 blocks since the mark"} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if text := render(t, "diff", path, "--from", "mark:1", "--to", "mark:2"); !strings.HasPrefix(text, "+5.9 KiB in ") || !strings.Contains(text, ": all in take_b < main (program.c:") {
		t.Error(text)
	}
}
