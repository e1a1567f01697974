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

// The first finding says what grows, and the account how much of it outstanding blocks explain. A
// heap that grows only by holes is not called a leak.
func TestFirstFinding(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for _, tc := range []struct {
		mode, account string
		kind          report.FindingKind
		verdict       string
	}{
		{"brk", "heap", report.Leak, `^The brk heap grows .*\. Resident memory grows`},
		{"arena", "heap", report.Leak, `^Thread arenas grow .*\. Resident memory grows`},
		{"malloc", "heap", report.Leak, `^Malloc's mmaps grow .* in segments of 2\.0 MiB\. Resident memory grows`},
		{"mmap", "mappings", report.Leak, `^Anonymous mmaps grow .* in segments of 2\.0 MiB\. Resident memory grows`},
		{"stacks", "mappings", report.Leak, `^Thread stacks grow .* in segments of 1\.0 MiB\.`},
		{"holes", "heap", report.KeepsFree, `^The brk heap grows .*\. Resident memory grows`},
		// What is held is a large part of the growth, but was there long before.
		{"cache", "heap", report.KeepsFree, `^The brk heap grows .*\. Resident memory grows`},
		{"none", "", report.Nothing, `^No steady growth\.$`},
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
			if r.Memory == nil || r.System == nil || r.Diagnosis == nil {
				t.Fatal("no section on memory, or no diagnosis")
			}
			if !regexp.MustCompile(tc.verdict).MatchString(r.Memory.Verdict) {
				t.Errorf("the address space: %q, want %s", r.Memory.Verdict, tc.verdict)
			}
			if first := r.Diagnosis.Findings[0]; first.Kind != tc.kind {
				t.Errorf("%s, want %s: %s %+v", first.Kind, tc.kind, r.Diagnosis.Answer, r.Diagnosis.Accounts)
			}
			if part := partOfLeaks(r, tc.account); tc.kind == report.Leak && part < 90 || tc.kind != report.Leak && part > 0 {
				t.Errorf("%d %% are put down to leaks: %+v", part, r.Diagnosis.Accounts)
			}
			if r.System.TotalBytes == 0 || len(r.Memory.Regions) == 0 {
				t.Errorf("memory %+v, system %+v", r.Memory, r.System)
			}
		})
	}
}

// partOfLeaks returns how many percent of an account's growth are put down to leaks.
func partOfLeaks(r *report.Report, account string) int {
	for _, a := range r.Diagnosis.Accounts {
		for _, term := range a.Terms {
			if a.Kind == account && term.Kind == report.TermLeaks {
				return term.Percent
			}
		}
	}
	return 0
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
		{"brk", "brk", "The brk heap grows", leak, func(s report.Served) report.Sum { return s.Brk.Sum }},
		{"arena", "arena", "Thread arenas grow", leak, func(s report.Served) report.Sum { return s.Arena.Sum }},
		{"mmapped", "malloc_mmap", "Malloc's mmaps grow", leak, func(s report.Served) report.Sum { return s.Mmap.Sum }},
		{"realloc", "malloc_mmap", "Malloc's mmaps grow", leak, func(s report.Served) report.Sum { return s.Mmap.Sum }},
		{"direct", "mmap", "Anonymous mmaps grow", pages, nil},
		{"mremap", "mmap", "Anonymous mmaps grow", pages, nil},
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
			if !strings.HasPrefix(r.Memory.Verdict, tc.verdict+" ") {
				t.Errorf("the address space: %q, want %v", r.Memory.Verdict, tc.verdict)
			}
			first := &r.Diagnosis.Findings[0]
			blamed := slices.IndexFunc(r.Stacks, func(s report.Stack) bool { return len(first.Stacks) > 0 && s.ID == first.Stacks[0] })
			if first.Kind != report.Leak || blamed < 0 || !hasFrame(r.Stacks[blamed].Frames, site) {
				t.Errorf("the answer is %q, want a leak in %s", r.Diagnosis.Answer, site)
			}
			// What malloc rounds up is less than a hundredth of blocks of this size. All else
			// that grew is free memory of malloc's. The program may end before the last look.
			account := r.Diagnosis.Accounts[0]
			for _, term := range account.Terms {
				if term.Kind == report.TermLeaks && (term.Bytes < leak || term.Bytes > leak*102/100) || term.Kind == report.TermRest && term.Bytes > 32<<10 {
					t.Errorf("%+v", account)
				}
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

// The answer names the culprit, and counts all, however few stacks are shown.
func TestAnswerBeyondTop(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	t.Parallel()
	p := testprog.Start(t, "ways", "arena")
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()), "-T", "1", "--sort", "size")
	p.Work()
	r := m.stop()
	// The stack mapping of the second thread is larger.
	if len(r.Stacks) != 1 || siteOf(&r.Stacks[0]) == "site_arena" || !strings.Contains(r.Diagnosis.Answer, "site_arena") {
		t.Errorf("%q, %d stacks", r.Diagnosis.Answer, len(r.Stacks))
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
