package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// sleeper starts a process that sleeps until the test ends.
func sleeper(t *testing.T, as *syscall.Credential) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	// Until the exec it is a copy of this test; after that it still maps its libraries.
	const clockNanosleep = "230 "
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		comm, commErr := os.ReadFile(fmt.Sprintf("/proc/%d/comm", cmd.Process.Pid))
		call, callErr := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", cmd.Process.Pid))
		if commErr == nil && callErr == nil && string(comm) == "sleep\n" && strings.HasPrefix(string(call), clockNanosleep) {
			return cmd
		}
	}
	t.Fatal("sleep does not sleep")
	return nil
}

// runFor runs memtrace to its end.
func runFor(t *testing.T, args ...string) (code exitCode, stdout, stderr string) {
	t.Helper()
	r := launchMemtrace(t, args...)
	code = r.wait()
	return code, r.stdout.String(), r.stderr.String()
}

// The children of a process that grow are named.
func TestRegionsOfFamily(t *testing.T) {
	p := testprog.Command(t, exec.Command(testprog.PathIn(t, filepath.Join(testprog.Sources(), "..", "process", "kin", "testdata"), "family")))
	do := func(request string) string {
		p.Say(request)
		return p.Line()
	}
	child := strings.Fields(do("fork 2"))[1]
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(50 * time.Millisecond):
				do("grow 0 262144")
			}
		}
	}()
	defer func() {
		close(quit)
		<-done
	}()
	var answer string
	for deadline := time.Now().Add(time.Minute); !strings.Contains(answer, ") does not grow; 1 of 2 child processes grows, by "); {
		if time.Now().After(deadline) {
			t.Fatalf("answer %q", answer)
		}
		code, stdout, stderr := runFor(t, "regions", "-p", fmt.Sprint(p.PID()), "-f", "json", "-d", "7s")
		if code != exitOK {
			t.Fatalf("ended with %d: %s", code, stderr)
		}
		r := decodeReports[report.MemoryReport](t, stdout)[0]
		answer = r.Answer
		if notes := strings.Join(r.Memory.Notes, "\n"); strings.Contains(notes, "grows, by") {
			t.Errorf("the answer is %q, and notes say it, too: %q", answer, notes)
		}
	}
	if !strings.HasSuffix(answer, ": family (pid "+child+")") {
		t.Errorf("answer %q", answer)
	}
}

func TestRegionsJSON(t *testing.T) {
	pid := fmt.Sprint(sleeper(t, nil).Process.Pid)
	code, stdout, stderr := runFor(t, "regions", "-p", pid, "-f", "json", "20ms", "9")
	if code != exitOK {
		t.Fatalf("ended with %d: %s", code, stderr)
	}
	all := decodeReports[report.MemoryReport](t, stdout)
	if len(all) != 1 {
		t.Fatalf("%d reports", len(all))
	}
	r := all[0]
	m := r.Memory
	if r.Schema != report.Schema || r.Target.Command != "sleep" || m.Polls < 2 || m.Polls > 10 || !m.Complete || m.VirtualBytes != m.StatmVirtualBytes {
		t.Errorf("%+v", r)
	}
	if m.Polls >= 6 && (m.Verdict != "No steady growth." || !strings.HasPrefix(r.Answer, "sleep (pid "+pid+") does not grow: resident memory is ")) {
		t.Errorf("verdict %q, answer %q of %d polls", m.Verdict, r.Answer, m.Polls)
	}
	if !strings.Contains(stderr, "watching for 180ms") {
		t.Errorf("messages: %s", stderr)
	}
}

func TestRegionsText(t *testing.T) {
	pid := fmt.Sprint(sleeper(t, nil).Process.Pid)
	file := filepath.Join(t.TempDir(), "report")
	code, stdout, stderr := runFor(t, "regions", "-q", "-o", file, "-p", pid, "-d", "100ms", "20ms")
	if code != exitOK || stdout != "" || stderr != "" {
		t.Fatalf("ended with %d: %q, %q", code, stdout, stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if first, _, _ := strings.Cut(string(text), "\n"); !strings.HasPrefix(first, "sleep (pid "+pid+") ") || strings.Contains(first, "grows") {
		t.Errorf("the first line is %q", first)
	}
	for _, want := range []string{"\nbrk heap ", "\ntotal ", "\nWatched for ", " looks.\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// A process that ends leaves a partial report.
func TestRegionsOfProcessThatEnds(t *testing.T) {
	cmd := sleeper(t, nil)
	r := launchMemtrace(t, "regions", "-f", "json", "-p", fmt.Sprint(cmd.Process.Pid), "20ms")
	waitFor(t, r, "watching")
	time.Sleep(100 * time.Millisecond)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if code := r.wait(); code != exitOK {
		t.Fatalf("ended with %d: %s", code, r.stderr.String())
	}
	all := decodeReports[report.MemoryReport](t, r.stdout.String())
	if len(all) != 1 || all[0].Memory.Complete || !all[0].Target.Exited || all[0].Memory.VirtualBytes == 0 {
		t.Fatalf("%+v", all)
	}
	if notes := strings.Join(all[0].Memory.Notes, "\n"); !strings.Contains(notes, "process has ended: partial") {
		t.Errorf("notes %q", notes)
	}
}

// A report comes on demand, and the final one after it.
func TestRegionsOnDemand(t *testing.T) {
	r := launchMemtrace(t, "regions", "-f", "json", "-p", fmt.Sprint(sleeper(t, nil).Process.Pid), "50ms", "40")
	waitFor(t, r, "watching")
	time.Sleep(300 * time.Millisecond) // until the signal is caught
	if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if code := r.wait(); code != exitOK {
		t.Fatalf("ended with %d: %s", code, r.stderr.String())
	}
	if all := decodeReports[report.MemoryReport](t, r.stdout.String()); len(all) != 2 || all[0].Memory.Polls >= all[1].Memory.Polls {
		t.Errorf("%d reports", len(all))
	}
}

func TestSubcommandErrors(t *testing.T) {
	own := fmt.Sprint(os.Getpid())
	for _, tc := range []struct {
		args string
		code exitCode
		want string
	}{
		{"regions", exitUsage, "nothing to watch: give -p PID"},
		{"regions -p 0", exitUsage, "a process id is 1 or more"},
		{"regions -p x", exitUsage, "invalid argument"},
		{"regions -p 1 x", exitUsage, `"x" is not an interval`},
		{"regions " + own, exitUsage, own + " is a process: did you mean -p " + own + "?"},
		{"regions -p 1 1 0", exitUsage, `"0" is not a number of looks`},
		{"regions -p 1 1 2 3", exitUsage, "too many arguments: 3"},
		{"regions -p 1 1ms", exitUsage, "too short"},
		{"regions -p 1 -d 5 1 2", exitUsage, "exclude"},
		{"regions -p 1 -f folded", exitUsage, "give text or json"},
		{"regions -p 1 -T -1", exitUsage, "--top -1"},
		{"regions -p 1 --color x", exitUsage, "--color x"},
		{"regions -p 1073741824", exitError, "process 1073741824: no such process"},
		{"regions -p 2", exitError, "process 2 (kthreadd) is a kernel thread"},
		{"regions -p 1 -o /nowhere/at/all", exitError, "open the output"},
		{"heap", exitUsage, "nothing to look at: give -p PID"},
		{"heap -p 1 x", exitUsage, `"x" is not an interval`},
		{"heap -p 1 1 0", exitUsage, `"0" is not a number of looks`},
		{"heap -p 1 -d 5 1 2", exitUsage, "exclude"},
		{"heap -p 1 -f folded", exitUsage, "give text, json, pprof or html"},
		{"heap -p 1 -T -1", exitUsage, "--top -1: give 0 for all, or how many"},
		{"heap " + own, exitUsage, own + " is a process: did you mean -p " + own + "?"},
		{"heap -p 1 grwo", exitUsage, "did you mean memtrace grow?"},
		{"heap -p 1 --max-overhead 0", exitUsage, "give 0.1 to 100 percent"},
		{"heap -p 1 --why x", exitUsage, "an address in hexadecimal"},
		{"heap -p 1 --suppressions /nowhere", exitUsage, "--suppressions"},
		{"heap -p 1073741824", exitError, "process 1073741824: no such process"},
		{"heap -p 2", exitError, "process 2 (kthreadd) is a kernel thread"},
		{"heap -p 1 -o /nowhere/at/all", exitError, "open the output"},
		{"grow", exitUsage, "nothing to watch: give -p PID"},
		{"grow -p 0", exitUsage, "a process id is 1 or more"},
		{"grow -p 1 x", exitUsage, `"x" is not an interval`},
		{"grow -p 1 -f x", exitUsage, "give text, json, folded, pprof, speedscope or html"},
		{"grow -p 1 -f folded 1", exitUsage, "leave out the interval"},
		{"grow -p 1 -f html 1", exitUsage, "leave out the interval"},
		{"grow -p 1 --stack-depth 128", exitUsage, "give 1 to 127"},
		{"grow -p 1 --color x", exitUsage, "--color x"},
		{"grow -p 1 -d 1 1 2", exitUsage, "exclude"},
		{"grow -p 1 --older 5", exitUsage, "unknown flag"},
		{"grow -p 1 --max-overhead 5", exitUsage, "unknown flag"},
		{"grow -p 1 --exact", exitUsage, "unknown flag"},
		{"grow -p 1073741824", exitError, "process 1073741824: no such process"},
		{"grow -p 2", exitError, "process 2 (kthreadd) is a kernel thread"},
		{"grow -p 1 -o /nowhere/at/all", exitError, "open the output"},
		{"system x", exitUsage, "system takes no arguments: x"},
		{"system -f pprof", exitUsage, "give text or json"},
	} {
		code, stdout, stderr := runFor(t, strings.Fields(tc.args)...)
		if code != tc.code || stdout != "" || !strings.Contains(stderr, tc.want) {
			t.Errorf("%s: %d, %q, %q; want %d, %s", tc.args, code, stdout, stderr, tc.code, tc.want)
		}
		lines := strings.Count(stderr, "\n")
		if code == exitError && lines != 1 || code == exitUsage && !strings.HasSuffix(stderr, "Try memtrace "+strings.Fields(tc.args)[0]+" --help.\n") {
			t.Errorf("%s: %q", tc.args, stderr)
		}
	}
}

func TestSubcommandHelp(t *testing.T) {
	for _, name := range []string{"grow", "heap", "regions", "system"} {
		for _, flag := range []string{"-h", "--help"} {
			code, stdout, stderr := runFor(t, name, flag)
			if code != exitOK || stderr != "" || !strings.Contains(stdout, "memtrace "+name) || !strings.Contains(stdout, "--format") {
				t.Errorf("%s %s: %d, %q, %q", name, flag, code, stdout, stderr)
			}
			for line := range strings.Lines(stdout) {
				if len(line) > 81 {
					t.Errorf("%s %s: a line of %d columns: %s", name, flag, len(line), line)
				}
			}
		}
	}
}

func TestSystem(t *testing.T) {
	code, stdout, stderr := runFor(t, "system")
	if code != exitOK || stderr != "" || !strings.Contains(stdout, "available without swapping") {
		t.Errorf("%d, %q, %q", code, stdout, stderr)
	}
	code, stdout, _ = runFor(t, "system", "-f", "json")
	var r report.SystemReport
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != exitOK || r.System.TotalBytes == 0 {
		t.Errorf("%d, %v, %+v", code, err, r)
	}
}
