package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// The verdict of a trace says what grows and how much of it outstanding blocks explain. A heap
// that grows only by holes is not called a leak.
func TestVerdict(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for _, tc := range []struct{ mode, want string }{
		{"brk", `^brk heap grows .*; brk heap: explained to (9\d|100) % by stack`},
		{"arena", `^thread arenas grow .*; thread arenas: explained to (9\d|100) % by stack`},
		{"malloc", `^malloc's mmaps grow .* in segments of 2.0 MiB.*: explained to (9\d|100) % by stack`},
		{"mmap", `^anonymous mmaps grow .* in segments of 2.0 MiB.*: explained to (9\d|100) % by stack`},
		{"stacks", `^thread stacks grow .* in segments of 1.0 MiB.*; thread stacks: explained to (9\d|100) % by stack`},
		{"holes", `^brk heap grows .*; brk heap: no outstanding allocation that keeps growing explains it`},
		// What is held is a large part of the growth, but was there long before.
		{"cache", `^brk heap grows .*; brk heap: no outstanding allocation that keeps growing explains it`},
		{"none", `^nothing grows$`},
	} {
		t.Run(tc.mode, func(t *testing.T) {
			t.Parallel()
			p := testprog.Grow(t, tc.mode)
			m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
			// Three or four steps fall between two polls. The size of one step follows from
			// their common divisor.
			for range 34 {
				p.Say("")
				if line := p.Line(); line != "ok" {
					t.Fatalf("the program says %q", line)
				}
				time.Sleep(300 * time.Millisecond)
			}
			r := m.stop()
			if r.Memory == nil || r.System == nil {
				t.Fatal("no section on memory")
			}
			if !regexp.MustCompile(tc.want).MatchString(r.Memory.Verdict) {
				t.Errorf("verdict %q, want %s", r.Memory.Verdict, tc.want)
			}
			if r.System.TotalBytes == 0 || len(r.Memory.Regions) == 0 {
				t.Errorf("memory %+v, system %+v", r.Memory, r.System)
			}
		})
	}
}

// A leak of 1,000,003 bytes is attributed, to the byte, to the way it was served. The verdict
// says that this way grows, and by which stack. Mappings count in whole pages.
func TestWays(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	const leak, pages = 1000003, 1003520
	for _, tc := range []struct {
		way, class, verdict string
		bytes               uint64
		served              func(report.Served) report.Sum
	}{
		{"brk", "brk", "brk heap grows", leak, func(s report.Served) report.Sum { return s.Brk.Sum }},
		{"arena", "arena", "thread arenas grow", leak, func(s report.Served) report.Sum { return s.Arena.Sum }},
		{"mmapped", "malloc_mmap", "malloc's mmaps grow", leak, func(s report.Served) report.Sum { return s.Mmap.Sum }},
		{"realloc", "malloc_mmap", "malloc's mmaps grow", leak, func(s report.Served) report.Sum { return s.Mmap.Sum }},
		{"direct", "mmap", "anonymous mmaps grow", pages, nil},
		{"mremap", "mmap", "anonymous mmaps grow", pages, nil},
	} {
		t.Run(tc.way, func(t *testing.T) {
			t.Parallel()
			p := testprog.Start(t, "ways", tc.way)
			m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
			ledger := p.Work()
			r := m.stop()
			compare(t, r, ledger)
			site := "site_" + tc.way
			if got := bySite(r)[site]; uint64(got.Bytes) != tc.bytes {
				t.Errorf("%d bytes are outstanding, want %d", got.Bytes, tc.bytes)
			}
			if served := servedBySite(r)[site]; tc.served != nil && tc.served(served).Bytes != tc.bytes {
				t.Errorf("served %+v", served)
			}
			if r.Memory == nil {
				t.Fatalf("no section on memory: %q", r.Notes)
			}
			t.Log(r.Memory.Verdict)
			label, _, _ := strings.Cut(tc.verdict, " grow")
			want := regexp.MustCompile("^" + tc.verdict + " .*; " + label + `: explained to (?:9\d|100) % by stacks? #(\d+)(?: and #\d+)? below$`)
			if found := want.FindStringSubmatch(r.Memory.Verdict); found == nil {
				t.Errorf("verdict %q, want %v", r.Memory.Verdict, want)
			} else if n, _ := strconv.Atoi(found[1]); !hasFrame(r.Stacks[n-1].Frames, site) {
				t.Errorf("verdict %q, but stack #%d is %+v", r.Memory.Verdict, n, r.Stacks[n-1])
			}
			for _, region := range r.Memory.Regions {
				if region.Growing != (region.Class == tc.class) {
					t.Errorf("%s: growing %v", region.Class, region.Growing)
				}
			}
			if tc.class != "mmap" {
				site = ""
			}
			checkOrigins(t, r, site)
		})
	}
}

// A stack beyond -T is named by its functions.
func TestVerdictBeyondTop(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	t.Parallel()
	p := testprog.Start(t, "ways", "arena")
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()), "-T", "1")
	p.Work()
	r := m.stop()
	// The stack mapping of the second thread is larger.
	want := regexp.MustCompile(`: explained to \d+ % by stack #2, not shown \(site_arena < leak < arena_main\)$`)
	if len(r.Stacks) != 1 || r.Memory == nil || !want.MatchString(r.Memory.Verdict) {
		t.Errorf("memory %+v, %d stacks", r.Memory, len(r.Stacks))
	}
}

// checkOrigins fails the test unless every growing segment is attributed to a stack through
// the function site, or to none if site is empty.
func checkOrigins(t *testing.T, r *report.Report, site string) {
	t.Helper()
	if len(r.Memory.Segments) == 0 {
		t.Error("no growing segments")
	}
	for _, s := range r.Memory.Segments {
		i := slices.IndexFunc(r.Stacks, func(o report.Stack) bool { return o.ID == s.Stack })
		switch {
		case site == "" && (s.Stack != "" || s.Origin != ""):
			t.Errorf("a segment of malloc's is mapped by %q (%q)", s.Stack, s.Origin)
		case site != "" && (i < 0 || !hasFrame(r.Stacks[i].Frames, site) || !strings.Contains(s.Origin, site)):
			t.Errorf("a segment is mapped by %q (%q), want %s", s.Stack, s.Origin, site)
		}
	}
}

// hasFrame reports whether function is among frames.
func hasFrame(frames []report.Frame, function string) bool {
	return slices.ContainsFunc(frames, func(f report.Frame) bool { return f.Function == function })
}
