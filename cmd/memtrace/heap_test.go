package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"golang.org/x/sys/unix"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

//go:embed testdata/heap/busy.c
var busySource string

// startBusy starts a program whose heap is known: see testdata/heap/busy.c.
func startBusy(t *testing.T, args ...string) *testprog.Program {
	t.Helper()
	return startReady(t, "gcc -O1 -g -pthread", busySource, args...)
}

// wantLeaks checks that the two leaks of busy.c are all that grows, with the rate of blocks a minute
// within these bounds.
func wantLeaks(t *testing.T, r *report.HeapReport, low, high float64) {
	t.Helper()
	found := make(map[uint64]report.HeapGrowth)
	for _, g := range r.Growing {
		if g.Class == report.HeapSteady {
			found[g.Size] = g
		}
	}
	list, lost := found[136], found[88]
	if len(found) != 2 || list.Holder.Class != report.HeapGlobal || list.Holder.Name != "sessions" || lost.Holder.Class != report.HeapUnreached {
		t.Errorf("steady: %+v", found)
	}
	for _, g := range []report.HeapGrowth{list, lost} {
		if g.PerMinute < low || g.PerMinute > high || g.Low > g.PerMinute || g.High < g.PerMinute {
			t.Errorf("%d bytes: %.1f [%.1f, %.1f] a minute, want %g to %g", g.Size, g.PerMinute, g.Low, g.High, low, high)
		}
	}
}

// Two leaks of ten blocks a minute each are found beside a million calls a second, with their rates
// and what holds them; a cache is not.
func TestHeapFindsRareLeaks(t *testing.T) {
	testprog.Long(t)
	p := startBusy(t, "6000")
	code, stdout, stderr := runFor(t, "heap", "-p", fmt.Sprint(p.PID()), "-f", "json", "-d", "90s")
	if code != exitOK {
		t.Fatalf("ended with %d: %s", code, stderr)
	}
	r := decodeReports[report.HeapReport](t, stdout)[0]
	wantLeaks(t, &r, 8, 12)
	if !strings.Contains(r.Answer, "blocks a minute") || !strings.Contains(r.Answer, "half held by global sessions") || !strings.Contains(r.Answer, "half unreachable") {
		t.Errorf("answer %q", r.Answer)
	}
}

// The same in short, by leaks that are faster, with all that a report has.
func TestHeap(t *testing.T) {
	p := startBusy(t, "100")
	code, stdout, stderr := runFor(t, "heap", "-p", fmt.Sprint(p.PID()), "-f", "json", "--max-overhead", "100", "1", "9")
	if code != exitOK {
		t.Fatalf("ended with %d: %s", code, stderr)
	}
	all := decodeReports[report.HeapReport](t, stdout)
	if len(all) != 1 {
		t.Fatalf("%d reports", len(all))
	}
	r := all[0]
	wantLeaks(t, &r, 480, 720)
	if r.Schema != report.Schema || r.Target.PID != p.PID() || r.Looks != 9 || !r.Complete || r.ReadSeconds <= 0 {
		t.Errorf("%+v", r.Target)
	}
	if u := r.Unreachable; u == nil || u.Certain.Blocks+u.Possible.Blocks < 5 || len(u.Lost) == 0 || u.Lost[0].Size != 88 {
		t.Errorf("unreachable: %+v", u)
	}
	held := make(map[string]report.HeapHolder)
	for _, h := range r.Holders {
		held[h.Name] = h
	}
	if h := held["cache"]; h.Held.Blocks < 1990 || h.Held.Blocks > 2010 || h.Growing {
		t.Errorf("the cache: %+v", h)
	}
	if h := held["sessions"]; h.Held.Blocks < 50 || h.Depth < 50 || h.Shape != "list" {
		t.Errorf("the sessions: %+v", h)
	}
	for _, g := range r.Growing {
		if g.Holder.Name == "cache" && g.Size == 152 && g.Class != report.HeapFading {
			t.Errorf("the cache is %s: %+v", g.Class, g)
		}
	}
}

// A report comes after the third look, another on demand, and the last at Ctrl-C.
func TestHeapInterrupted(t *testing.T) {
	p := startBusy(t, "100")
	r := launchMemtrace(t, "heap", "-p", fmt.Sprint(p.PID()), "--max-overhead", "100", "300ms")
	waitForReports(t, r, 1)
	if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	waitForReports(t, r, 2)
	r.cancel()
	if code := r.wait(); code != exitOK {
		t.Fatalf("ended with %d: %s", code, r.stderr.String())
	}
	text := r.stdout.String()
	if n := strings.Count(text, "memtrace heap: "); n != 3 {
		t.Errorf("%d reports:\n%s", n, text)
	}
	if !strings.Contains(text, "\n3 looks in ") || !strings.Contains(text, "\nHELD BY ") || !strings.Contains(text, "\nIN USE ") {
		t.Errorf("%s", text)
	}
	if said := r.stderr.String(); !strings.Contains(said, "looking every 300ms; Ctrl-C for the report") || !strings.Contains(said, "look 2 is done") {
		t.Errorf("said %q", said)
	}
}

// A form that holds only one report is written once, at the end.
func TestHeapOnDemandSingle(t *testing.T) {
	p := startBusy(t, "100")
	r := launchMemtrace(t, "heap", "-f", "pprof", "-p", fmt.Sprint(p.PID()), "--max-overhead", "100", "300ms")
	waitFor(t, r, "look 1 is done")
	if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	waitFor(t, r, "--format pprof holds only one report: it comes at the end")
	r.cancel()
	if code := r.wait(); code != exitOK {
		t.Fatalf("ended with %d: %s", code, r.stderr.String())
	}
	if n := strings.Count(r.stdout.String(), "\x1f\x8b\b"); n != 1 { // how gzip begins
		t.Errorf("%d profiles", n)
	}
}

// waitForReports waits until so many reports in text were written.
func waitForReports(t *testing.T, r *traceRun, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); strings.Count(r.stdout.String(), "memtrace heap: ") < n; time.Sleep(10 * time.Millisecond) {
		select {
		case code := <-r.done:
			t.Fatalf("ended early with %d: %s", code, r.stderr.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("no report %d: %s", n, r.stderr.String())
		}
	}
}

// A process that ends leaves what was known of it.
func TestHeapOfProcessThatEnds(t *testing.T) {
	p := startBusy(t, "100")
	r := launchMemtrace(t, "heap", "-f", "json", "-p", fmt.Sprint(p.PID()), "--max-overhead", "100", "200ms")
	waitFor(t, r, "look 2 is done")
	p.Kill()
	if code := r.wait(); code != exitOK {
		t.Fatalf("ended with %d: %s", code, r.stderr.String())
	}
	all := decodeReports[report.HeapReport](t, r.stdout.String())
	last := all[len(all)-1]
	if last.Complete || !last.Target.Exited || last.Looks < 2 || last.Blocks.InUse.Blocks < 2000 || !strings.Contains(strings.Join(last.Notes, " "), "The process has ended.") {
		t.Errorf("%+v", last)
	}
}

// After an exec looks begin anew; if the heap of the new program cannot be read, what was known of
// the old one is reported.
func TestHeapOfProcessThatExecs(t *testing.T) {
	for _, tc := range []struct {
		name    string
		program []string
		want    string
	}{
		{"glibc", []string{"/bin/sleep", "1000"}, "looks began anew"},
		{"musl", []string{testprog.BuildProgram(t, "musl-gcc", "#include <unistd.h>\nint main(void) { for (;;) pause(); }")}, "The process runs another program now."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := startBusy(t, append([]string{"100"}, tc.program...)...)
			r := launchMemtrace(t, "heap", "-f", "json", "-p", fmt.Sprint(p.PID()), "--max-overhead", "100", "300ms")
			waitFor(t, r, "look 2 is done")
			p.Say("x")
			if tc.name == "glibc" {
				for deadline := time.Now().Add(patience); !strings.Contains(r.stdout.String(), tc.want); time.Sleep(10 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("not reported: %s", r.stderr.String())
					}
				}
				r.cancel()
			}
			if code := r.wait(); code != exitOK {
				t.Fatalf("ended with %d: %s", code, r.stderr.String())
			}
			all := decodeReports[report.HeapReport](t, r.stdout.String())
			if last := all[len(all)-1]; !strings.Contains(strings.Join(last.Notes, " "), tc.want) {
				t.Errorf("notes %q of %+v", last.Notes, last.Target)
			}
		})
	}
}

// The path to a block, suppressions, and the profile.
func TestHeapForms(t *testing.T) {
	p := startBusy(t, "100")
	pid := fmt.Sprint(p.PID())
	file := filepath.Join(t.TempDir(), "some.supp")
	if err := os.WriteFile(file, []byte("leak:^sessions$\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runFor(t, "heap", "-p", pid, "-f", "json", "--max-overhead", "100", "--suppressions", file, "1", "8")
	if code != exitOK {
		t.Fatalf("ended with %d: %s", code, stderr)
	}
	r := decodeReports[report.HeapReport](t, stdout)[0]
	for _, g := range r.Growing {
		if g.Holder.Name == "sessions" {
			t.Errorf("not hidden: %+v", g)
		}
	}
	if len(r.Suppressed) != 1 || r.Suppressed[0].Blocks == 0 {
		t.Errorf("suppressed %+v", r.Suppressed)
	}
	if r.Unreachable == nil || len(r.Unreachable.Lost) == 0 {
		t.Fatalf("nothing is lost: %+v", r.Unreachable)
	}
	for address, want := range map[uint64]string{r.Unreachable.Lost[0].Address: "nobody points at it", 0x1000: "no block in use is there"} {
		code, stdout, stderr = runFor(t, "heap", "-p", pid, "--why", fmt.Sprintf("%#x", address))
		if code != exitOK || !strings.Contains(stdout, want) || !strings.Contains(stdout, "\n1 look, ") {
			t.Errorf("%#x: %d, %q\n%s", address, code, stderr, stdout)
		}
	}
	profileFile := filepath.Join(t.TempDir(), "heap.pb.gz")
	if code, _, stderr = runFor(t, "heap", "-p", pid, "-f", "pprof", "-o", profileFile, "100ms", "1"); code != exitOK {
		t.Fatalf("ended with %d: %s", code, stderr)
	}
	text, err := os.ReadFile(profileFile)
	if err != nil {
		t.Fatal(err)
	}
	prof, err := profile.ParseData(text)
	if err != nil {
		t.Fatal(err)
	}
	var cached int64
	for _, s := range prof.Sample {
		if strings.HasPrefix(s.Label["holder"][0], "global cache (") && s.Label["kind"][0] == "152 B" {
			cached += s.Value[0]
		}
	}
	if cached < 1990 || cached > 2010 {
		t.Errorf("%d blocks of the cache in\n%v", cached, prof)
	}
}
