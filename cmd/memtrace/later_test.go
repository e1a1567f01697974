package main

import (
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/diagnose"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// inlining allocates in calls that are inlined, and through a wrapper.
const inlining = `
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
__attribute__((noinline)) void *xmalloc(size_t n) { void *p = malloc(n); memset(p, 1, n); return p; }
static inline __attribute__((always_inline)) void *inner(size_t n) { return xmalloc(n); }
__attribute__((noinline)) void keep(void) { static void *last; last = inner(1000); if (!last) abort(); }
__attribute__((noinline)) void hold(void) { char *p = strdup("some text"); if (!p) abort(); }
int main(void) {
	char what[16];
	int n;
	printf("ready %d\n", getpid());
	fflush(stdout);
	while (scanf("%15s %d", what, &n) == 2) {
		for (int i = 0; i < n; i++) {
			keep();
			hold();
			usleep(4000);
		}
		printf("done\n");
		fflush(stdout);
	}
}
`

// lateNames records a program twice, with its names and without, and returns the program, which has
// ended by then, and both records.
func lateNames(t *testing.T) (program, named, bare string) {
	t.Helper()
	testprog.NeedRoot(t)
	program = testprog.BuildProgram(t, "gcc -g -O1 -fno-optimize-sibling-calls", inlining)
	p := testprog.Command(t, exec.Command(program))
	dir := t.TempDir()
	for _, flags := range [][]string{{"--record", filepath.Join(dir, "named.rec")}, {"--record", filepath.Join(dir, "bare.rec"), "--symbols", "later"}} {
		m := startMemtrace(t, append(flags, "--exact", "-p", strconv.Itoa(p.PID()))...)
		p.Say("x 1000")
		if line := p.Line(); line != "done" {
			t.Fatalf("it says %q", line)
		}
		r := m.stop()
		if later := len(flags) > 2; later != (r.Later != nil) {
			t.Errorf("with %q names are %+v", flags, r.Stacks[0].Frames[0])
		} else if later && (r.Stacks[0].Frames[0].Function != "" || len(r.Hints) != 1 || !strings.Contains(r.Hints[0], "--symbols later")) {
			t.Errorf("the trace looked up %s, and hints %q", r.Stacks[0].Frames[0].Function, r.Hints)
		}
	}
	p.Kill()
	return program, filepath.Join(dir, "named.rec"), filepath.Join(dir, "bare.rec")
}

// rendered is the report of the end of a record.
func rendered(t *testing.T, args ...string) *report.Report {
	t.Helper()
	r := new(report.Report)
	if err := json.Unmarshal([]byte(render(t, append([]string{"report", "-f", "json", "-T", "0"}, args...)...)), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// stacksByFrames maps the blocks of stacks by their frames, without addresses.
func stacksByFrames(r *report.Report) map[string]uint64 {
	all := make(map[string]uint64)
	for i := range r.Stacks {
		s := &r.Stacks[i]
		text := strconv.Itoa(s.OwnFrame)
		for k := range s.Frames {
			f := s.Frames[k]
			f.Address = 0
			doc, _ := json.Marshal(&f) // it has only plain fields
			text += "\n" + string(doc)
		}
		all[text] += s.Blocks
	}
	return all
}

// A record without names has those of an ordinary one once there is a copy of the program by its build
// ID, although the program itself is gone. Its answer has them, too, and so has a difference. A file
// of another build is refused.
func TestSymbolsLater(t *testing.T) {
	program, named, bare := lateNames(t)
	id := buildID(t, program)
	want := rendered(t, named)
	if got := rendered(t, bare); cmp.Diff(stacksByFrames(want), stacksByFrames(got)) != "" {
		t.Errorf("with the program where it was: %s", cmp.Diff(stacksByFrames(want), stacksByFrames(got)))
	}
	copied := program + ".copy"
	if err := os.Rename(program, copied); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	place := filepath.Join(dir, ".build-id", id[:2], id[2:])
	lacks := func(r *report.Report, parts ...string) {
		t.Helper()
		hints := strings.Join(r.Hints, "\n")
		for _, part := range append(parts, "places of program have no name (build ID "+id+"): put the file or its debug file, of that very build, at "+place+".debug") {
			if !strings.Contains(hints, part) {
				t.Errorf("hints lack %q:\n%s", part, hints)
			}
		}
		if f := r.Stacks[0].Frames[0]; f.Function != "" || f.Module != program || f.Offset == 0 {
			t.Errorf("the first frame is %+v", f)
		}
	}
	lacks(rendered(t, bare, "--debug-dir", dir))
	put := func(from, to string) {
		t.Helper()
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o755)
		}
		if err == nil {
			err = os.WriteFile(to, text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("/bin/true", program)
	put("/bin/true", place+".debug")
	lacks(rendered(t, bare, "--debug-dir", dir), "Not used: "+program+": it is of another build", "Not used: "+place+".debug: it is of another build")
	put(copied, place+".debug")
	got := rendered(t, bare, "--debug-dir", dir, "--debug-dir", diagnose.DefaultDebugDir)
	if diff := cmp.Diff(stacksByFrames(want), stacksByFrames(got)); diff != "" {
		t.Errorf("frames (-named +later):\n%s", diff)
	}
	answer := func(r *report.Report) string {
		_, what, _ := strings.Cut(r.Diagnosis.Answer, ": ")
		return what
	}
	if answer(got) != answer(want) || !strings.Contains(answer(got), "inner < keep (program.c:") || got.Later != nil {
		t.Errorf("the answer is %q, want %q", got.Diagnosis.Answer, want.Diagnosis.Answer)
	}
	if text := render(t, "diff", named, bare, "--debug-dir", dir, "-f", "html"); strings.Contains(text, "program+0x") || !strings.Contains(text, "<code>inner</code>") {
		t.Errorf("the difference has no names")
	}
}

// Names that are looked up later need a record, and suppressions need names.
func TestSymbolsLaterRefusals(t *testing.T) {
	for args, want := range map[string]string{
		"-p 1 --symbols later":                                         "--symbols later goes with --record FILE",
		"-p 1 --symbols never --record x":                              "--symbols never: give now or later",
		"-p 1 --record x --symbols later --suppressions default":       "--suppressions need names",
		"grow -p 1 --record x --symbols later --suppressions some.txt": "--suppressions need names",
	} {
		m := launchMemtrace(t, strings.Fields(args)...)
		if code := m.wait(); code != exitUsage || !strings.Contains(m.stderr.String(), want) {
			t.Errorf("%s: %d, %s", args, code, m.stderr.String())
		}
	}
}

// What was read for one look at a record is there for the next, and a file that was missing is looked for
// again.
func TestSymbolsLaterKept(t *testing.T) {
	program := testprog.BuildProgram(t, "gcc -g -O1", "int main(void) { return 0; }")
	id, moved := buildID(t, program), program+".moved"
	binary, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = binary.Close() }()
	var f laterFlags
	named := func() string {
		t.Helper()
		r := &report.Report{Later: new(report.Later), Stacks: []report.Stack{{ID: "1", Frames: []report.Frame{{Module: program, Offset: binary.Entry + 1}}}}}
		r.Target.Modules = []report.Module{{Path: program, BuildID: id}}
		f.again()
		if err := f.give([]*report.Report{r}); err != nil {
			t.Fatal(err)
		}
		return r.Stacks[0].Frames[0].Function
	}
	for i, step := range []struct{ from, to, want string }{{program, moved, ""}, {moved, program, "_start"}, {program, moved, "_start"}} {
		if err := os.Rename(step.from, step.to); err != nil {
			t.Fatal(err)
		}
		if got := named(); got != step.want {
			t.Errorf("%d: it is %q, want %q", i, got, step.want)
		}
	}
}
