package main

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

//go:embed testdata/heap/quiet.c
var quietSource string

// groupOf returns the group of a size and holder that grows, nil if there is none.
func groupOf(r *report.Report, size uint64, class, name string) *report.HeapOrigin {
	if r.Heap == nil {
		return nil
	}
	for i := range r.Heap.Growing {
		if g := &r.Heap.Growing[i]; g.Size == size && g.Holder.Class == class && g.Holder.Name == name {
			return g
		}
	}
	return nil
}

// own is the program's own function that allocates.
func own(s *report.HeapSource) string {
	if len(s.Frames) == 0 {
		return ""
	}
	return s.Frames[s.OwnFrame].Function
}

// asText is the text form of a report.
func asText(t *testing.T, r *report.Report) string {
	t.Helper()
	var b strings.Builder
	if err := report.Text(&b, r, report.TextOptions{Width: 200}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Where every call is traced, what grows in the heap is joined with the stacks that allocated it, block
// by block. A cache of the same size is none of it.
func TestHeapBeside(t *testing.T) {
	testprog.NeedRoot(t)
	p := startReady(t, "gcc -O1 -g", quietSource, "50")
	m := startMemtrace(t, "--max-overhead", "100", "-p", fmt.Sprint(p.PID()), "--heap=500ms", "-d", "10s")
	if code := m.wait(); code != exitOK {
		t.Fatalf("ended with %d: %s", code, m.stderr.String())
	}
	r := m.reports()[0]
	if r.Mode != report.ModeExact || r.Heap == nil || r.Heap.Looks < 3 || r.Heap.Unread != "" || r.Heap.ReadSeconds <= 0 || r.Heap.InUse.Blocks < 500 {
		t.Fatalf("%s, %+v: %s", r.Mode, r.Heap, m.stderr.String())
	}
	for _, tc := range []struct {
		size              uint64
		class, name, want string
	}{{136, report.HeapGlobal, "sessions", "open_session"}, {88, report.HeapUnreached, "", "lose_block"}} {
		g := groupOf(r, tc.size, tc.class, tc.name)
		if g == nil {
			t.Errorf("%s: no such group in %+v", tc.want, r.Heap.Growing)
			continue
		}
		if g.Checked < 10 || g.Traced*10 < g.Checked*9 || len(g.AllocatedBy) != 1 || own(&g.AllocatedBy[0]) != tc.want || len(g.LooksLike) != 0 {
			t.Errorf("%s: %+v", tc.want, g)
			continue
		}
		s := &g.AllocatedBy[0]
		if s.Number < 1 || r.Stacks[s.Number-1].ID != s.ID || r.Stacks[s.Number-1].Frames[0].Function != tc.want {
			t.Errorf("%s is #%d of %d stacks", tc.want, s.Number, len(r.Stacks))
		}
		if text := asText(t, r); !strings.Contains(text, fmt.Sprintf("allocated by #%d (%s ", s.Number, tc.want)) {
			t.Errorf("%s: %s", tc.want, text)
		}
	}
	if g := groupOf(r, 136, report.HeapGlobal, "cache"); g != nil && g.Class == report.HeapSteady {
		t.Errorf("the cache: %+v", g)
	}
}

// lineWith is the line of a program, as it is compiled, that has some text.
func lineWith(t *testing.T, source, text string) int {
	t.Helper()
	before, _, ok := strings.Cut(source, text)
	if !ok {
		t.Fatalf("no line has %q", text)
	}
	return 2 + strings.Count(before, "\n") // the command to build it comes first
}

// In windows only some blocks are seen, and these tell which line allocates a group. What no window saw
// is not guessed at, though a cache, and two threads, allocate as much of that size.
func TestHeapBesideWindows(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for _, tc := range []struct {
		period, length string
		seen           bool
	}{{"5", "25s", true}, {"1000", "40s", false}} {
		t.Run("every "+tc.period+" ms", func(t *testing.T) {
			p := startBusy(t, tc.period)
			m := startMemtrace(t, append(budget, "-p", fmt.Sprint(p.PID()), "--heap=3s", "-d", tc.length)...)
			if code := m.wait(); code != exitOK {
				t.Fatalf("ended with %d: %s", code, m.stderr.String())
			}
			r := m.reports()[0]
			if r.Mode != report.ModeWindows || r.Heap == nil || r.Heap.Looks < 3 {
				t.Fatalf("%s, %+v: %s", r.Mode, r.Heap, m.stderr.String())
			}
			checkJoined(t, groupOf(r, 136, report.HeapGlobal, "sessions"), lineWith(t, busySource, "calloc(1, sizeof *x)"), tc.seen, asText(t, r))
			checkJoined(t, groupOf(r, 88, report.HeapUnreached, ""), lineWith(t, busySource, "malloc(88)"), tc.seen, asText(t, r))
		})
	}
}

// checkJoined checks that what was seen of a group is of one line of main, and that something was, or
// that it is said that nothing was.
func checkJoined(t *testing.T, g *report.HeapOrigin, line int, seen bool, text string) {
	t.Helper()
	if g == nil {
		t.Errorf("line %d: no such group: %s", line, text)
		return
	}
	for i := range g.AllocatedBy {
		if s := &g.AllocatedBy[i]; own(s) != "main" || s.Frames[s.OwnFrame].Line != line {
			t.Errorf("line %d: %d blocks of %+v", line, s.Blocks, s.Frames)
		}
	}
	if seen && g.Traced == 0 || len(g.LooksLike) > 0 {
		t.Errorf("line %d: %+v", line, g)
	}
	if g.Traced == 0 && (!strings.Contains(text, "no window saw it, and one sees such a call every") || g.SeenEverySeconds < 1) {
		t.Errorf("line %d: %+v\n%s", line, g, text)
	}
	t.Logf("line %d: %d of %d seen, one every %.1f s", line, g.Traced, g.Checked, g.SeenEverySeconds)
}

// Other heaps cannot be looked at. One line says so, and the trace goes on.
func TestHeapBesideOtherAllocator(t *testing.T) {
	testprog.NeedRoot(t)
	p := startReady(t, "musl-gcc", `#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(void) { puts("ready musl"); fflush(stdout); for (;;) { void *volatile p = malloc(40); p = p; usleep(10000); } }`)
	m := startMemtrace(t, "-p", fmt.Sprint(p.PID()), "--heap", "-d", "2s")
	if code := m.wait(); code != exitOK {
		t.Fatalf("ended with %d: %s", code, m.stderr.String())
	}
	r := m.reports()[0]
	const why = "only heaps of glibc's malloc can be read"
	if r.Heap == nil || !strings.Contains(r.Heap.Unread, why) || r.Heap.Looks != 0 || r.Events.Alloc == 0 || len(r.Stacks) == 0 {
		t.Errorf("%+v, %d allocations", r.Heap, r.Events.Alloc)
	}
	if said := m.stderr.String(); strings.Count(said, "there is no heap section: ") != 1 || !strings.Contains(said, why) {
		t.Errorf("said %q", said)
	}
	if text := asText(t, r); strings.Count(text, "\nHeap: not looked at: process ") != 1 {
		t.Errorf("%s", text)
	}
}

// It looks at processes that run, and takes its time behind a =.
func TestHeapBesideErrors(t *testing.T) {
	for args, want := range map[string]string{
		"--heap -- true":     "--heap looks at processes that run already: give -p PID|NAME",
		"-p 1 --heap 30s":    "--heap 30s: put its time behind a =, --heap=30s, or an interval of reports before --heap",
		"-p 1 --heap 5 3":    "--heap 5: put its time behind a =",
		"-p 1 --heap=1ms":    "--heap=1ms: give 10ms or more",
		"-p 1 --heap=0":      "--heap=0s: give 10ms or more",
		"--heap=0 -- true":   "give 10ms or more",
		"--heap --cgroup /x": "there is no cgroup",
	} {
		code, stdout, stderr := runFor(t, strings.Fields(args)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: %d, %q, %q", args, code, stdout, stderr)
		}
	}
}

// Forms that do not show what grows in the heap are named.
func TestHeapBesideUnshown(t *testing.T) {
	o := &options{format: "pprof", heap: heapFlag(time.Second)}
	o.record.file = "x"
	if got, want := o.unshown(), "what --heap shows is in -f text, json and html only, not in -f pprof and --record"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, o := range []*options{{format: "json", heap: heapFlag(time.Second)}, {format: "html", heap: heapFlag(time.Second)}, {format: "pprof"}} {
		if got := o.unshown(); got != "" {
			t.Errorf("-f %s: %q", o.format, got)
		}
	}
}
