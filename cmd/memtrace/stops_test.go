package main

import (
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// pause stops a memtrace as Ctrl-Z does, calls f, and has it continue after d.
func (r *builtRun) pause(d time.Duration, f func()) {
	r.t.Helper()
	pid := r.cmd.Process.Pid
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		r.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); processState(r.t, pid) != "T"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatal("memtrace is not stopped")
		}
	}
	end := time.Now().Add(d)
	f()
	time.Sleep(time.Until(end))
	if err := unix.Kill(pid, unix.SIGCONT); err != nil {
		r.t.Fatal(err)
	}
}

// A trace that was stopped says so, counts what was recorded meanwhile, and does no harm.
func TestStopped(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for name, args := range map[string][]string{"exact": {"--exact"}, "grow": {"grow"}} {
		t.Run(name, func(t *testing.T) {
			p := testprog.Start(t, "ways")
			ready := filepath.Join(t.TempDir(), "ready")
			args = append(args, "-p", strconv.Itoa(p.PID()), "-f", "json", "-T", "0", "--ready-file", ready)
			if name == "exact" {
				args = append(args, "--older", "0")
			}
			m := startBuilt(t, testprog.Memtrace(t), args...)
			waitForFile(t, ready, m)
			var ledger testprog.Ledger
			m.pause(2*time.Second, func() { ledger = p.Work() })
			m.interrupt(exitOK)
			stdout, _ := m.output()
			r := decodeReport(t, []byte(stdout))
			notes := strings.Join(r.Notes, "\n")
			if !strings.Contains(notes, "memtrace was stopped for 2.") || !strings.Contains(notes, "none was lost") {
				t.Errorf("the notes are %q", notes)
			}
			if r.DurationSeconds < 2 {
				t.Errorf("it took %v s", r.DurationSeconds)
			}
			if name == "exact" {
				compare(t, r, ledger)
			}
			if p.End() != 0 {
				t.Error("the program was harmed")
			}
		})
	}
}

// Of a process that is watched in windows the report says the same, and the windows go on.
func TestStoppedWindows(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := testprog.Start(t, "churn")
	p.Say("go")
	m := startBuilt(t, testprog.Memtrace(t), "-p", strconv.Itoa(p.PID()), "-f", "json")
	waitForText(t, m, "windows of time")
	for range 2 {
		time.Sleep(time.Second)
		m.pause(2*time.Second, func() {})
	}
	time.Sleep(2 * time.Second)
	m.interrupt(exitOK)
	stdout, stderr := m.output()
	r := decodeReport(t, []byte(stdout))
	notes := strings.Join(r.Notes, "\n")
	if r.Mode != report.ModeWindows || !strings.Contains(notes, "memtrace was stopped 2 times, for 4.") || !strings.Contains(notes, "A window that was open then does not count") {
		t.Errorf("mode %q, notes %q: %s", r.Mode, notes, stderr)
	}
	if s := r.Sampling; s.Windows == 0 || s.TracedSeconds > 2 || r.DurationSeconds < 7 {
		t.Errorf("of %v s %+v", r.DurationSeconds, *s)
	}
	p.Say("end")
	var n int64
	scanLine(t, p.Line(), "pairs %d", &n)
	scanLine(t, p.Line(), "milliseconds %d", &n)
	p.Ledger()
}

// memtrace regions lacks looks.
func TestStoppedRegions(t *testing.T) {
	testprog.Long(t)
	p := sleeper(t, nil)
	m := startBuilt(t, testprog.Memtrace(t), "regions", "-p", strconv.Itoa(p.Process.Pid), "-f", "json")
	waitForText(t, m, "watching")
	m.pause(2*time.Second, func() {})
	m.interrupt(exitOK)
	stdout, _ := m.output()
	var r report.MemoryReport
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || !strings.Contains(strings.Join(r.Memory.Notes, "\n"), "memtrace was stopped for 2.") {
		t.Errorf("%v, notes %q", err, r.Memory.Notes)
	}
}

// waitForText waits until a memtrace that runs as a program of its own has said something.
func waitForText(t *testing.T, m *builtRun, what string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(m.String(), what); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not said: %s\n%s", what, m)
		}
	}
}

// A jump of the clock without SIGCONT is no stop, nor is SIGCONT without a jump. The two may
// come in either order.
func TestStopIsSignalAndJump(t *testing.T) {
	const s = time.Second
	type beat struct {
		after     time.Duration
		continued bool
	}
	for name, tc := range map[string]struct {
		beats []beat
		want  string
	}{
		"none":             {[]beat{{pulse, false}, {2 * pulse, false}}, ""},
		"no jump":          {[]beat{{pulse, true}, {pulse, false}}, ""},
		"no signal":        {[]beat{{pulse, false}, {3 * s, false}, {pulse, false}}, ""},
		"at once":          {[]beat{{pulse, false}, {3 * s, true}, {pulse, false}}, "for 3.0 s ("},
		"tick first":       {[]beat{{3 * s, false}, {pulse, true}}, "for 3.0 s ("},
		"twice":            {[]beat{{3 * s, true}, {pulse, false}, {2 * s, true}}, "2 times, for 5.0 s"},
		"much later":       {[]beat{{3 * s, false}, {pulse, false}, {pulse, false}, {pulse, false}, {pulse, false}, {pulse, false}, {pulse, true}}, ""},
		"an early signal":  {[]beat{{pulse, true}, {pulse, false}, {3 * s, false}}, ""},
		"signal, late one": {[]beat{{3 * s, true}, {pulse, true}}, "for 3.0 s ("},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			stops := &stops{last: now}
			for _, b := range tc.beats {
				now = now.Add(b.after)
				stops.beat(now, b.continued)
			}
			if got := stops.String(); tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
