package report

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// blaming is a report that blames a frame, called by a function that has lines.
func blaming(kind FindingKind, f Frame) *Report {
	r := leaking(102, 20<<10, 0, ClassLeak)
	caller := mainFrame()
	r.Stacks[0].Frames = []Frame{f, caller}
	first := &r.Diagnosis.Findings[0]
	first.Kind, first.Culprit, first.Caller = kind, &f, &caller
	return r
}

func TestHints(t *testing.T) {
	const lib = "/usr/lib/x86_64-linux-gnu/libfoo.so.1"
	own := Frame{Function: "make_session", Module: "/usr/sbin/sessiond", Offset: 1}
	foreign := Frame{Module: lib, Offset: 2}
	jit := Frame{Module: "[anon]", Offset: 3}
	whole := sessiond("make_session", 1, "s.c", 1)
	ofPackage := func(path string) string { return map[string]string{lib: "libfoo1-dbgsym"}[path] }
	const ownHint = "The frames of sessiond (build ID beef02) have no source lines: build it with -g and do not strip it, or install its debug file."
	java := []Module{{Path: "/opt/jdk/lib/server/libjvm.so"}}
	const javaHint = "jcmd 102 Compiler.perfmap"
	for _, tc := range []struct {
		what    string
		r       *Report
		change  func(r *Report)
		lookup  func(string) string
		want    string // a part of the only hint
		nothing bool
	}{
		{what: "all is known", r: blaming(Leak, whole), nothing: true},
		{what: "no lines", r: blaming(Leak, own), lookup: ofPackage, want: ownHint},
		{what: "no names", r: blaming(ActiveLeak, foreign), want: "The frames of libfoo.so.1 have no names: install its debug file."},
		{what: "a package", r: blaming(Leak, foreign), lookup: ofPackage, want: "The frames of libfoo.so.1 have no names: apt-get install libfoo1-dbgsym."},
		{what: "does not matter", r: blaming(KeepsFree, own), nothing: true},
		{what: "ended", r: blaming(Leak, own), change: func(r *Report) { r.Target.Exited = true }, nothing: true},
		{what: "no diagnosis", r: typical(), nothing: true},
		{what: "the caller alike", r: blaming(Leak, own), change: func(r *Report) { r.Diagnosis.Findings[0].Caller = &own }, want: ownHint},
		{what: "java", r: blaming(Leak, jit), change: func(r *Report) { r.Target.Modules = java }, want: javaHint},
		{what: "java, for whom libjvm.so allocates", r: blaming(Leak, Frame{Function: "os::malloc", Module: java[0].Path}), change: func(r *Report) {
			r.Target.Modules = java
			r.Stacks[0].Frames = append(r.Stacks[0].Frames, jit)
		}, want: javaHint},
		{what: "java, no leak", r: blaming(Leak, jit), change: func(r *Report) { r.Target.Modules, r.Stacks[0].Class = java, ClassFilled }, nothing: true},
		{what: "java, named", r: blaming(Leak, whole), change: func(r *Report) { r.Target.Modules = java }, nothing: true},
		{what: "node", r: blaming(Leak, jit), change: func(r *Report) { r.Target.Exe = "/usr/bin/node" }, want: "--perf-basic-prof"},
		{what: "another JIT", r: blaming(Leak, jit), nothing: true},
	} {
		if tc.change != nil {
			tc.change(tc.r)
		}
		got := Hints(tc.r, tc.lookup)
		if tc.nothing && len(got) > 0 || !tc.nothing && (len(got) != 1 || !strings.Contains(got[0], tc.want)) {
			t.Errorf("%s: %q, want %q", tc.what, got, tc.want)
		}
	}
}

// Hints come last in the text, once for several processes, and fit a terminal. JSON has them.
func TestHintsShown(t *testing.T) {
	r, other := blaming(Leak, Frame{Function: "f\x1b[2J", Module: "/opt/a\x1b[2J", Offset: 1}), leaking(7, 1, 0, ClassLeak)
	r.Hints = Hints(r, nil)
	other.Hints = slices.Clone(r.Hints)
	for _, opt := range []TextOptions{{Width: 80}, {Width: 80, Height: 23}} {
		text := string(render(t, asText(opt), r))
		checkLines(t, text, 80)
		_, hints, ok := strings.Cut(text, "\nhint: ")
		if !ok || strings.Contains(hints, "#1") {
			t.Errorf("hints are not last:\n%s", text)
		}
		if lines := strings.Count(text, "\n"); opt.Height > 0 && lines > opt.Height {
			t.Errorf("%d lines", lines)
		}
	}
	if text := severalText(t, []*Report{r, other}, TextOptions{Width: 80}); strings.Count(text, "hint: ") != 1 {
		t.Errorf("not once:\n%s", text)
	}
	var got Report
	decode(t, render(t, JSON, r), &got)
	if !slices.Equal(got.Hints, r.Hints) || len(got.Hints) != 1 {
		t.Errorf("JSON has %q", got.Hints)
	}
	if doc := render(t, JSON, typical()); bytes.Contains(doc, []byte("hints")) {
		t.Error("JSON has an empty list")
	}
}

// Of files that gave no names some are told.
func TestUnnamed(t *testing.T) {
	want := []string{"Variables and kinds may lack names: /a: cut short.", "Variables and kinds may lack names: /b: cut short.", "Variables and kinds may lack names: /c: cut short."}
	if got := Unnamed("Variables and kinds", []string{"/a: cut short", "/b: cut short", "/c: cut short"}); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	want = append(want, "Variables and kinds may lack names for 2 more reasons like these.")
	if got := Unnamed("Variables and kinds", []string{"/a: cut short", "/b: cut short", "/c: cut short", "/d", "/e"}); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
