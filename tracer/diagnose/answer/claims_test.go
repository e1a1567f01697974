package answer

import (
	"strings"
	"testing"

	"memtrace/tracer/report"
)

// No claim goes beyond what was looked at.
func TestClaims(t *testing.T) {
	threadStack := mapping("1", 100, 8<<20, 40<<20, append([]report.Frame{frame("__pthread_create_2_1", 0)}, calls("play_tone")...))
	grown := func(class string, bytes int64) *report.Report {
		r := watched()
		grow(r, class, bytes)
		return r
	}
	slightly := keeping()
	slightly.Kept.Free += 8 << 10
	grow(slightly.Report, "brk", 64<<10)
	larger := watched()
	grow(larger, "brk", 132<<10)
	for i := range larger.Memory.Regions {
		larger.Memory.Regions[i].Growing = false
	}
	late := mapping("2", 30, 1<<16, 100000, python("json_dumps"))
	late.FollowedSeconds, late.OldestSeconds = 5, 5
	unread := watched()
	unread.Memory = nil
	for name, tc := range map[string]struct {
		e          *Evidence
		kind       report.FindingKind
		confidence string
		says       string
	}{
		"what malloc keeps, though a little changed": {slightly, report.KeepsFree, Certain, "malloc keeps 98.0 MiB"},
		"threads that nobody counted": {
			with(grown("thread_stack", 12<<20), threadStack), report.Leak, Certain,
			"leaks 40.0 MiB/s: all in play_tone",
		},
		"a pool that may grow": {with(grown("mmap", 2<<20), late), report.Pool, Possible, "may grow"},
		"a heap that is larger, without a trend": {
			with(larger, heap("3", 3, 40, 0, calls("init"))), report.Nothing, Certain,
			"does not grow steadily: in 20.0 s no stack kept adding memory",
		},
		"an address space that was not read": {with(unread, heap("4", 3, 40, 0, calls("init"))), report.Nothing, Likely, "could not be read"},
	} {
		t.Run(name, func(t *testing.T) {
			d := answered(tc.e).Diagnosis
			if f := d.Findings[0]; f.Kind != tc.kind || f.Confidence != tc.confidence || !strings.Contains(d.Answer, tc.says) {
				t.Errorf("%s, %s: %s", f.Kind, f.Confidence, d.Answer)
			}
			if strings.Contains(d.Answer, "never joined") {
				t.Errorf("nobody counted threads: %s", d.Answer)
			}
		})
	}
}

// After an exec, growth was observed since then only.
func TestSinceExec(t *testing.T) {
	r := watched()
	s := leakOf("1", calls("load"))
	s.FollowedSeconds, s.OldestSeconds = 2, 2
	e := with(r, s)
	e.Seconds = 2
	if d := answered(e).Diagnosis; d.Findings[0].Kind != report.TooShort || !strings.Contains(d.Answer, "2.0 s") {
		t.Errorf("%s", d.Answer)
	}
}
