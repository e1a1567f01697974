package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// boundedRun is a running memtrace and its peak memory.
type boundedRun struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr bytes.Buffer
	peak   <-chan uint64
}

// startBounded starts memtrace and returns when its probes are live.
func startBounded(t *testing.T, args ...string) *boundedRun {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	r := &boundedRun{t: t}
	r.cmd = exec.Command(testprog.Memtrace(t), append(args, "--ready-file", ready)...)
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	r.peak = watchPeak(r.cmd.Process.Pid)
	waitForFile(t, ready, &r.stderr)
	return r
}

// watchPeak watches how much memory a process takes, and sends the peak in bytes when the
// process has ended. The peak from wait(2) will not do: it includes that of the parent, if
// larger.
func watchPeak(pid int) <-chan uint64 {
	peak := make(chan uint64, 1)
	go func() {
		// The value never falls, so the last reading is the peak.
		var most uint64
		for {
			now := highWater(pid)
			if now == 0 {
				peak <- most
				return
			}
			most = now
			time.Sleep(2 * time.Millisecond)
		}
	}()
	return peak
}

// highWater returns the most bytes that a process has had in memory, or 0 if it is gone.
func highWater(pid int) uint64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, ok := strings.Cut(string(status), "VmHWM:")
	if !ok {
		return 0
	}
	kib, _ := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
	return kib << 10
}

// end ends the run as Ctrl-C does, and returns the text of its report and its peak memory.
func (r *boundedRun) end() (text []byte, peak uint64) {
	r.t.Helper()
	_ = r.cmd.Process.Signal(unix.SIGINT)
	// A zombie has no memory: the watch ends before the wait.
	peak = <-r.peak
	if err := r.cmd.Wait(); err != nil {
		r.t.Fatalf("memtrace: %v: %s", err, r.stderr.String())
	}
	return r.stdout.Bytes(), peak
}

// newStacks is the program newstacks.
type newStacks struct{ *testprog.Program }

func startNewStacks(t *testing.T) newStacks {
	t.Helper()
	return newStacks{testprog.Command(t, exec.Command(harmProgram(t, "newstacks")))}
}

// do gives the program a command, and returns what the program holds afterwards.
func (p newStacks) do(command string, n int) (held report.Sum) {
	p.Say(fmt.Sprintf("%s %d", command, n))
	if _, err := fmt.Sscanf(p.Line(), "held %d %d", &held.Bytes, &held.Blocks); err != nil {
		panic(err)
	}
	return held
}

// flood makes all newStacksMade stacks.
func (p newStacks) flood(command string) (held report.Sum) {
	for range goes {
		held = p.do(command, perGo)
		time.Sleep(20 * time.Millisecond)
	}
	return held
}

const (
	// allowed is the smallest --max-memory, which memtrace is given.
	allowed = 256 << 20
	// newStacksMade is several times as many stacks as memtrace can then tell apart.
	newStacksMade = goes * perGo
	// They are made in goes, no faster than they are read where processors are shared.
	goes, perGo = 50, 4001
	// leakedBytes is what site_leak keeps.
	leakedBytes = goes * ((perGo + 999) / 1000) * 1000
)

// checkPeak fails the test where memtrace took more than it may, with so many blocks.
func checkPeak(t *testing.T, peak, blocks uint64) {
	t.Helper()
	t.Logf("%d MiB at most", peak>>20)
	if peak == 0 || peak > allowed+64*blocks {
		t.Errorf("memtrace took %d MiB, of %d MiB and 64 bytes for each of %d blocks", peak>>20, allowed>>20, blocks)
	}
}

// A program allocates from ever new stacks. The report must still come within memtrace's
// memory limit, its sums must be the program's own, it must show the leak among them, and a
// stack that comes back after it was forgotten must be whole.
func TestHarmStacksExact(t *testing.T) {
	testprog.Long(t)
	p := startNewStacks(t)
	r := startBounded(t, "-p", strconv.Itoa(p.PID()), "--exact", "--max-memory", "256M", "-f", "json", "-T", "50", "--sort", "size", "--older", "0")
	p.do("again", 0)
	p.flood("keep")
	time.Sleep(time.Second)
	held := p.do("again", 1)
	text, peak := r.end()
	checkPeak(t, peak, held.Blocks)
	got := decodeReport(t, text)
	if got.Events.Lost != (report.Lost{}) {
		t.Fatalf("lost %+v", got.Events.Lost)
	}
	if got.Outstanding != held {
		t.Errorf("%+v outstanding, the program holds %+v", got.Outstanding, held)
	}
	if n := got.Events.GivenUpStacks; n < newStacksMade/4 || got.Complete {
		t.Errorf("%d stacks given up, complete %v", n, got.Complete)
	}
	if notes := strings.Join(got.Notes, "\n"); !strings.Contains(notes, "stacks were given up") {
		t.Errorf("no note says it: %s", notes)
	}
	leak := got.Stacks[0]
	if leak.Bytes != leakedBytes || !strings.HasPrefix(leak.Frames[0].Function, "site_leak") {
		t.Errorf("the first stack: %+v", leak)
	}
	again := got.Stacks[1]
	var names []string
	for _, f := range again.Frames {
		names = append(names, f.Function)
	}
	if again.Bytes != 240 || !strings.HasPrefix(strings.Join(names, " "), "call_again site_again main ") || again.Truncated {
		t.Errorf("the stack that came back: %d bytes, %v", again.Bytes, names)
	}
}

// Writing all stacks of a program takes no more memory, and the stacks add up.
func TestHarmStacksAll(t *testing.T) {
	testprog.Long(t)
	p := startNewStacks(t)
	r := startBounded(t, "-p", strconv.Itoa(p.PID()), "--exact", "--max-memory", "256M", "-f", "folded", "-T", "0", "--older", "0")
	held := p.flood("keep")
	text, peak := r.end()
	checkPeak(t, peak, held.Blocks)
	var sum, givenUp uint64
	for line := range strings.Lines(string(text)) {
		i := strings.LastIndexByte(line, ' ')
		n, err := strconv.ParseUint(strings.TrimSpace(line[i+1:]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
		if line[:i] == "[given up]" {
			givenUp = n
		}
	}
	if sum != held.Bytes || givenUp == 0 {
		t.Errorf("%d bytes in all lines, %d of them given up, the program holds %d", sum, givenUp, held.Bytes)
	}
}

// TestHarmStacksGrow is the same where only system calls are observed.
func TestHarmStacksGrow(t *testing.T) {
	testprog.Long(t)
	p := startNewStacks(t)
	r := startBounded(t, "grow", "-p", strconv.Itoa(p.PID()), "--max-memory", "256M", "-f", "json", "-T", "50")
	held := p.flood("map")
	text, peak := r.end()
	checkPeak(t, peak, held.Blocks)
	got := decodeReport(t, text)
	if got.Events.Lost != (report.Lost{}) {
		t.Fatalf("lost %+v", got.Events.Lost)
	}
	// The heap with site_leak's blocks has grown, too.
	if mapped := held.Bytes - leakedBytes; got.Outstanding.Bytes < mapped || got.Outstanding.Bytes > mapped+leakedBytes+1<<20 {
		t.Errorf("%d bytes of growth, the program has mapped %d and allocated %d", got.Outstanding.Bytes, mapped, leakedBytes)
	}
	if got.Events.GivenUpStacks == 0 || got.Complete {
		t.Errorf("%d stacks given up, complete %v", got.Events.GivenUpStacks, got.Complete)
	}
}

// TestHarmStacksWindows is the same with windows of time: a report comes within memtrace's
// memory limit.
func TestHarmStacksWindows(t *testing.T) {
	testprog.Long(t)
	p := startNewStacks(t)
	r := startBounded(t, "-p", strconv.Itoa(p.PID()), "--max-memory", "256M", "-f", "json", "-T", "0")
	var held report.Sum
	for range 10 {
		held = p.do("keep", newStacksMade)
	}
	text, peak := r.end()
	checkPeak(t, peak, held.Blocks)
	if got := decodeReport(t, text); got.Mode != report.ModeWindows {
		t.Errorf("mode %s", got.Mode)
	}
}
