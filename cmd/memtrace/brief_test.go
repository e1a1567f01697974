package main

import (
	"strings"
	"testing"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// brief makes many calls until it has seen that it is watched no more, or for a moment.
const brief = `
#include <stdlib.h>
#include <time.h>
int main(void) {
	struct timespec t;
	double end = 0, now = 0;
	for (long n = 0; n == 0 || now < end; n++) {
		for (int i = 0; i < 100; i++) {
			void *volatile p = malloc(64);
			free(p);
		}
		clock_gettime(CLOCK_MONOTONIC, &t);
		now = t.tv_sec + t.tv_nsec / 1e9;
		if (n == 0)
			end = now + 0.05;
	}
	return 0;
}
`

// Of a command that ends before a window was watched whole nothing is known, and the report
// says how to know it.
func TestBriefCommand(t *testing.T) {
	testprog.NeedRoot(t)
	program := testprog.BuildProgram(t, "gcc -O1 -fno-builtin", brief)
	seen := 0
	for range 10 {
		m := launchMemtrace(t, "-f", "json", "--", program)
		if code := m.wait(); code != exitOK {
			t.Fatalf("ended with %d: %s", code, m.stderr.String())
		}
		r := m.reports()[0]
		if r.Mode != report.ModeWindows || r.Sampling.Windows > 0 {
			continue // it ended in time to be traced whole, or was slow enough for a window
		}
		seen++
		if notes := strings.Join(r.Notes, "\n"); r.Complete || !strings.Contains(notes, "trace it with --exact") {
			t.Errorf("complete %v, notes %q", r.Complete, notes)
		}
	}
	if seen == 0 {
		t.Error("no run ended between the exact trace and the first window")
	}
}
