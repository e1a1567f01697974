package main

import (
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// halfFreed is what testdata/freed.cc forgets, by its argument.
var halfFreed = []struct {
	name, leaks, through string
	// freed is who frees, with its caller, and shares of the frees in percent; siblings says that
	// these are frees of what others allocate by the same function.
	freed    map[string]float64
	siblings bool
	missing  [3]string // by, like, other
}{
	{name: "timeout", leaks: "make_session", freed: map[string]float64{"session_close < on_eof": 100}, missing: [3]string{"on_timeout", "on_eof", "make_buffer"}},
	{name: "caller", leaks: "make_reply", through: "reply_error", freed: map[string]float64{"send_reply < reply_well": 100}, siblings: true},
	{name: "error", leaks: "parse", freed: map[string]float64{"free_node < parse": 100}},
	{name: "class", leaks: "new_key", through: "serve_secure", freed: map[string]float64{"Plain::~Plain < serve_plain": 100}, siblings: true},
	{name: "consumer", leaks: "make_message", freed: map[string]float64{"done_with < consume": 100}},
	{name: "cache", leaks: "put_entry", freed: map[string]float64{"drop_entry < sweep": 90, "drop_entry < reload": 10}},
}

// A report says of what leaks where it is freed elsewhere, and which function forgets to.
func TestFreeSide(t *testing.T) {
	testprog.NeedRoot(t)
	for _, f := range halfFreed {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			p := testprog.Command(t, exec.Command(testprog.PathIn(t, "testdata", "freed"), f.name))
			defer p.Kill()
			m := startMemtrace(t, "-p", strconv.Itoa(p.PID()), "-d", "4")
			m.wait()
			s := leaking(t, m.reports()[0], f.leaks, f.through)
			if s.Freed == nil {
				t.Fatalf("nothing is known of frees: %+v", s)
			}
			t.Log(s.Freed.Text)
			freers := s.Freed.By
			if f.siblings {
				if len(freers) > 0 {
					t.Errorf("freed by %v, none was", named(freers))
				}
				freers = s.Freed.Siblings
			}
			const within = 10 // percent
			got := named(freers)
			for place, share := range f.freed {
				if math.Abs(got[place]-share) > within {
					t.Errorf("freed by %v, want %v", got, f.freed)
				}
			}
			if len(got) != len(f.freed) {
				t.Errorf("freed by %v, want %v", got, f.freed)
			}
			missing := [3]string{}
			if m := s.Freed.Missing; m != nil {
				missing = [3]string{m.By.Function, m.Like.Function, m.Other.Function}
			}
			for i, name := range missing {
				missing[i], _, _ = strings.Cut(name, "(")
			}
			if missing != f.missing {
				t.Errorf("missing %q, want %q", missing, f.missing)
			}
		})
	}
}

// leaking returns the stack that leaks in a function, through another one if that is given.
func leaking(t *testing.T, r *report.Report, function, through string) *report.Stack {
	t.Helper()
	has := func(s *report.Stack, name string) bool {
		return slices.ContainsFunc(s.Frames, func(f report.Frame) bool { return strings.HasPrefix(f.Function, name) })
	}
	for i := range r.Stacks {
		if s := &r.Stacks[i]; has(s, function) && has(s, through) && s.LeakBytesPerSecond > 0 {
			return s
		}
	}
	t.Fatalf("%s does not leak: %s", function, r.Diagnosis.Answer)
	return nil
}

// named returns the places of frees and their shares in percent.
func named(freers []report.Freer) map[string]float64 {
	shares := map[string]float64{}
	for _, f := range freers {
		var names []string
		for _, frame := range f.Frames[f.OwnFrame:] {
			if name, _, _ := strings.Cut(frame.Function, "("); len(names) < 2 {
				names = append(names, name)
			}
		}
		shares[strings.Join(names, " < ")] += 100 * f.Share
	}
	return shares
}
