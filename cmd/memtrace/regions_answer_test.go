package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"memtrace/tracer/process/kin"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
	"memtrace/tracer/trend"
)

// The children's growth and a stop are the answer where the process itself does not grow, and
// notes otherwise.
func TestAnswerOfFamily(t *testing.T) {
	grows := trend.Fit{Low: 1, Change: 1 << 20, Rises: 9, Slope: 2048, Thirds: [3]float64{1, 2, 3}}
	still := &region.Snapshot{Polls: 9}
	growing := &region.Snapshot{Polls: 9, ResidentFit: grows}
	short := &region.Snapshot{Polls: 2}
	alone := &around{pid: 7}
	parent := &around{pid: 7, children: "1 of 2 child processes grows"}
	stopped := &around{pid: 7, held: "was stopped at 9 of 9 looks", isHeld: true}
	briefly := &around{pid: 7, held: "was stopped at 1 of 9 looks"}
	for _, tc := range []struct {
		s            *region.Snapshot
		a            *around
		answer, note string
	}{
		{still, alone, "does not grow: resident memory is as large as at the start", ""},
		{growing, alone, "grows 2.0 KiB/s", ""},
		{still, parent, "does not grow; 1 of 2 child processes grows", "Look at one of the children with -p."},
		{growing, parent, "grows 2.0 KiB/s", "1 of 2 child processes grows; look at one of them with -p"},
		{short, parent, "was watched for 0 s, too short to tell: 2 of the 6 looks it takes; 1 of 2 child processes grows", "Look at one of the children with -p."},
		{still, stopped, "was stopped at 9 of 9 looks", "Continue the process (kill -CONT 7, or in its debugger), and look again."},
		{growing, stopped, "grows 2.0 KiB/s", "the process was stopped at 9 of 9 looks"},
		{still, briefly, "does not grow: resident memory is as large as at the start", "the process was stopped at 1 of 9 looks"},
	} {
		a := *tc.a
		if got, want := a.answer(tc.s, &report.Target{Command: "p", PID: 7}), "p (pid 7) "+tc.answer; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if got := strings.Join(a.notes(), "\n"); got != tc.note {
			t.Errorf("notes %q, want %q", got, tc.note)
		}
	}
	if a := aroundOf(&kin.Snapshot{Polls: 10, Stopped: 5, State: 'S'}, 7); a.isHeld {
		t.Errorf("%+v", a)
	}
}

// The first line says that a process grows, and where, without a number of looks as well; and
// that it was stopped.
func TestRegionsAnswer(t *testing.T) {
	testprog.Long(t)
	program := testprog.BuildProgram(t, "gcc -O1 -g -fno-builtin", forgetful)
	p := testprog.Command(t, exec.Command(program, "50000"))
	code, stdout, stderr := runFor(t, "regions", "-d", "10s", "-p", fmt.Sprint(p.PID()), "250ms")
	first, _, _ := strings.Cut(stdout, "\n")
	if code != exitOK || !strings.HasPrefix(first, fmt.Sprintf("program (pid %d) grows ", p.PID())) || !strings.HasSuffix(first, " MiB/s, most in the brk heap") {
		t.Errorf("ended with %d: %s%s", code, stdout, stderr)
	}
	if err := unix.Kill(p.PID(), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Kill(p.PID(), unix.SIGCONT) }()
	waitForState(t, p.PID(), "T")
	_, stdout, _ = runFor(t, "regions", "-p", fmt.Sprint(p.PID()), "100ms", "9")
	first, _, _ = strings.Cut(stdout, "\n")
	if !strings.HasPrefix(first, fmt.Sprintf("program (pid %d) was stopped at ", p.PID())) || !strings.Contains(stdout, "kill -CONT") {
		t.Errorf("of a stopped process it says\n%s", stdout)
	}
}
