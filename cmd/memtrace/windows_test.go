package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// budget has the flags of the default mode.
var budget = []string{"--max-overhead", "3"}

// leaks are the sites of churn that leak small blocks, and what their leaks are
// called.
var leaks = map[string]string{
	"site_leak_rare": "leak", "site_leak_some": "leak", "site_leak_many": "leak", "site_leak_list": "active leak",
}

// TestWindows traces a process that makes millions of calls a second. Its leaks are found, and
// nothing else is called a leak.
func TestWindows(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	runs, length := setting(t, "WINDOWS_RUNS", 1), setting(t, "WINDOWS_SECONDS", 100)
	held, made := 0, 0
	for run := range runs {
		r, truth := watchChurn(t, time.Duration(length)*time.Second)
		suspects := 0
		// Four leaks are estimated, and one of large blocks is counted.
		const found = 5
		for i, s := range r.Stacks {
			site := siteOf(&s)
			const possible = "possible leak"
			if s.Estimate == nil || !s.Estimate.Suspect() && s.Estimate.Class != possible {
				continue
			}
			want, leaks := leaks[site]
			if !leaks && s.Estimate.Class == possible && i >= found {
				t.Logf("run %d: #%d, %s, is called possible: %+v", run, i+1, site, *s.Estimate)
				continue
			}
			if !leaks || i >= found {
				t.Errorf("run %d: #%d, %s, is called a %s: %+v", run, i+1, site, s.Estimate.Class, *s.Estimate)
				continue
			}
			suspects++
			if s.Estimate.Class != want && s.Estimate.Class != possible {
				t.Errorf("run %d: %s is called a %s, want %s", run, site, s.Estimate.Class, want)
			}
			made++
			rate := s.Estimate.LeakBlocksPerSecond
			if rate.Low <= truth[site] && truth[site] <= rate.High {
				held++
			} else if truth[site] < rate.Low/2 || truth[site] > rate.High*2 {
				t.Errorf("run %d: %s leaks %.2f blocks a second, not %+v", run, site, truth[site], rate)
			}
			t.Logf("run %d: #%d, %s, %s, leaks %.2f blocks a second: %.2f [%.2f - %.2f], confidence %.4f",
				run, i+1, s.Estimate.Class, site, truth[site], rate.Value, rate.Low, rate.High, s.Estimate.Confidence)
		}
		// Finding the rarest leak takes two minutes.
		if least := 3 + min(length/120, 1); suspects < least {
			t.Errorf("run %d: %d leaks are found, want %d", run, suspects, least)
		}
		checkLarge(t, r)
		t.Logf("run %d: %+v", run, *r.Sampling)
	}
	t.Logf("%d of %d intervals hold the true rate", held, made)
	if runs >= 10 && held*10 < made*9 {
		t.Errorf("%d of %d intervals hold the true rate", held, made)
	}
}

// watchChurn watches the program churn for d. It also returns how many blocks a second each of
// its sites leaked.
func watchChurn(t *testing.T, d time.Duration) (*report.Report, map[string]float64) {
	t.Helper()
	p := testprog.Start(t, "churn")
	p.Say("go")
	m := startMemtrace(t, append(budget, "-p", strconv.Itoa(p.PID()), "-d", d.String())...)
	if code := m.wait(); code != exitOK {
		t.Fatalf("memtrace ended with %d: %s", code, m.stderr.String())
	}
	r := m.reports()[0]
	if r.Mode != report.ModeWindows || r.TracedFraction <= 0 || r.TracedFraction > 0.2 || r.Sampling == nil {
		t.Fatalf("mode %q, traced %.3f of the time", r.Mode, r.TracedFraction)
	}
	if r.Sampling.Dropped > 0 {
		t.Logf("%d windows were dropped: %s", r.Sampling.Dropped, m.stderr.String())
	}
	p.Say("end")
	var pairs, ms int64
	scanLine(t, p.Line(), "pairs %d", &pairs)
	scanLine(t, p.Line(), "milliseconds %d", &ms)
	truth := make(map[string]float64)
	for site, sum := range p.Ledger().Sites {
		truth[site] = float64(sum.Blocks) * 1000 / float64(ms)
	}
	t.Logf("%.1f M pairs a second", float64(pairs)/float64(ms)/1000)
	return r, truth
}

// checkLarge checks that large blocks, which have mappings of their own, are counted. churn
// makes one of 1 MiB every 10 to 30 seconds.
func checkLarge(t *testing.T, r *report.Report) {
	t.Helper()
	var large []report.Stack
	for _, s := range r.Stacks {
		if siteOf(&s) == "site_leak_large" {
			large = append(large, s)
		}
	}
	const mapping = 1<<20 + 4096
	if len(large) != 1 {
		t.Errorf("%d stacks of large blocks, want 1", len(large))
		return
	}
	s := large[0]
	least, most := uint64(r.DurationSeconds/30), uint64(r.DurationSeconds/10)+1
	if s.Estimate != nil || s.Kind != report.Heap || s.Blocks < least || s.Blocks > most || s.Bytes != s.Blocks*mapping {
		t.Errorf("large blocks are %+v, want %d to %d of %d bytes", s, least, most, mapping)
	}
	if s.Served == nil || s.Served.Mmap.Blocks != s.Blocks || s.Frames[0].Function != "site_leak_large" {
		t.Errorf("large blocks are served %+v, by %s", s.Served, s.Frames[0].Function)
	}
}

// Of blocks that are not glibc's memtrace does not claim to know whether they are
// free, though glibc is mapped.
func TestWindowsAllocator(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	cmd := exec.Command(testprog.Path(t, "churn"))
	cmd.Env = append(os.Environ(), "LD_PRELOAD="+testprog.Library(t, "libjemalloc.so.2"))
	p := testprog.Command(t, cmd)
	p.Say("go")
	m := startMemtrace(t, append(budget, "-p", strconv.Itoa(p.PID()), "1")...)
	// Where probes cost much the first windows are far apart.
	candidates := regexp.MustCompile(`"candidates": [1-9]`)
	for deadline := time.Now().Add(patience); !candidates.MatchString(m.stdout.String()) && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
	r := m.stop()
	if r.Target.Allocator != "jemalloc" || r.Sampling == nil || r.Sampling.Checked || r.Sampling.FoundFree != 0 || r.Sampling.Candidates == 0 {
		t.Errorf("allocator %s, %+v", r.Target.Allocator, r.Sampling)
	}
}

// A process that makes few calls is traced exactly. They are few enough to fit the budget even
// where a probe costs ten times as much as usual, as in some virtual machines.
func TestWindowsQuiet(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := testprog.Start(t, "churn", "--pairs-per-second", "300")
	m := startMemtrace(t, append(budget, "-p", strconv.Itoa(p.PID()))...)
	p.Say("go")
	time.Sleep(5 * time.Second)
	p.Say("end")
	var n int64
	scanLine(t, p.Line(), "pairs %d", &n)
	scanLine(t, p.Line(), "milliseconds %d", &n)
	ledger := p.Ledger()
	r := m.stop()
	compare(t, r, ledger)
	if r.Mode != report.ModeExact || r.TracedFraction != 1 || r.Sampling != nil {
		t.Errorf("mode %q, traced %v: %s", r.Mode, r.TracedFraction, m.stderr.String())
	}
}

// A process that starts to make many calls is no longer traced exactly, and figures from
// before are not mixed with those after.
func TestCoreWindows(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := testprog.Start(t, "churn")
	m := startMemtrace(t, append(budget, "-p", strconv.Itoa(p.PID()))...)
	time.Sleep(500 * time.Millisecond)
	p.Say("go")
	time.Sleep(8 * time.Second)
	r := m.stop()
	if r.Mode != report.ModeWindows || r.Sampling.SinceSeconds < 0.4 || r.Sampling.Windows == 0 {
		t.Fatalf("mode %q, %+v", r.Mode, r.Sampling)
	}
	for _, s := range r.Stacks {
		if s.Kind == report.Heap && s.Estimate == nil && (s.Served == nil || s.Served.Mmap.Bytes != s.Bytes) {
			t.Errorf("%s is counted: %+v", siteOf(&s), s)
		}
	}
	if r.Events.Alloc+r.Events.Free != 0 {
		t.Errorf("events %+v", r.Events)
	}
}

// Windows come and go without leaving a trace in the process, and end with it.
func TestWindowsEnd(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for _, kill := range []bool{false, true} {
		p := testprog.Start(t, "churn")
		p.Say("go")
		leftBehind := watchForLeftovers(t, p)
		m := startMemtrace(t, append(budget, "-p", strconv.Itoa(p.PID()))...)
		time.Sleep(3 * time.Second)
		if kill {
			p.Kill()
			if code := m.wait(); code != exitOK {
				t.Fatalf("memtrace ended with %d: %s", code, m.stderr.String())
			}
			r := m.reports()[0]
			if !r.Target.Exited || r.Mode != report.ModeWindows {
				t.Errorf("exited %v, mode %q", r.Target.Exited, r.Mode)
			}
			// The blocks that the process held then were never freed.
			if s := r.Sampling; s.Candidates <= s.Freed+s.Reused+s.FoundFree {
				t.Errorf("no candidate is left: %+v", *s)
			}
		} else if r := m.stop(); r.Sampling == nil || r.Sampling.Windows == 0 {
			t.Errorf("sampling %+v", r.Sampling)
		}
		leftBehind()
	}
}
