package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// phases holds most in its middle, makes temporary strings, and has threads with names that leak.
const phases = `
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
enum { PEAK = 701, SOME = 97, STRINGS = 4001, LEAKS = 211, WORKERS = 3 };
static void *kept[PEAK], *some[SOME], *leaked[WORKERS * LEAKS];
static void *peak_block(int i) { return malloc(i % 7 ? 5000 : 100); }
static void *some_block(void) { return malloc(1000); }
static char *temporary_string(int i) { char *s = malloc(40); snprintf(s, 40, "%d", i); return s; }
static void *leak_block(void) { return malloc(300); }
static void *work(void *arg)
{
	long n = (long)arg;
	char name[16];
	snprintf(name, sizeof name, "worker-%ld", n);
	pthread_setname_np(pthread_self(), name);
	for (int i = 0; i < LEAKS * (n + 1) / WORKERS; i++)
		leaked[n * LEAKS + i] = leak_block();
	usleep(400000);
	return 0;
}
int main(void)
{
	for (int i = 0; i < SOME; i++)
		some[i] = some_block();
	for (int i = 0; i < PEAK; i++)
		kept[i] = peak_block(i);
	usleep(100000);
	for (int i = 0; i < PEAK; i++)
		free(kept[i]);
	for (int i = 0; i < STRINGS; i++)
		free(temporary_string(i));
	pthread_t t[WORKERS];
	for (long n = 0; n < WORKERS; n++)
		pthread_create(&t[n], 0, work, (void *)n);
	for (int n = 0; n < WORKERS; n++)
		pthread_join(t[n], 0);
	return 0;
}
`

const (
	phasesPeak  = 101*100 + 600*5000
	phasesSome  = 97 * 1000
	phasesLeaks = 70 + 140 + 211
)

// functionOf returns the stack of a function, nil if there is not exactly one.
func functionOf(t *testing.T, r *report.Report, function string) (found *report.Stack) {
	t.Helper()
	for i := range r.Stacks {
		s := &r.Stacks[i]
		if len(s.Frames) > 0 && s.Frames[0].Function == function {
			if found != nil {
				t.Fatalf("two stacks of %s", function)
			}
			found = s
		}
	}
	if found == nil {
		t.Fatalf("no stack of %s", function)
	}
	return found
}

// What a program held at its peak, which of its blocks were temporary, how long they lived and how
// large they were, and which threads allocated what it leaks, is what the program says.
func TestMeasures(t *testing.T) {
	testprog.NeedRoot(t)
	program := testprog.BuildProgram(t, "gcc -O1 -g -fno-inline -fno-optimize-sibling-calls -pthread", phases)
	path := filepath.Join(t.TempDir(), "phases.rec")
	m := startMemtrace(t, "--sort", "temporary", "--record", path, "--", program)
	m.wait()
	r := m.reports()[0]
	// So does the record of it.
	var recorded report.Report
	if err := json.Unmarshal([]byte(render(t, "report", path, "--sort", "temporary", "-f", "json")), &recorded); err != nil {
		t.Fatal(err)
	}
	for _, function := range []string{"peak_block", "temporary_string", "leak_block"} {
		if was, is := functionOf(t, &recorded, function), functionOf(t, r, function); was.PeakBytes != is.PeakBytes || was.TemporaryBlocks != is.TemporaryBlocks || was.Blocks != is.Blocks {
			t.Errorf("the record has %+v, the report %+v", was, is)
		}
	}
	if r.Peak == nil || r.Peak.Sum != (report.Sum{Bytes: phasesPeak + phasesSome, Blocks: 701 + 97}) || r.Peak.Approximate {
		t.Errorf("the peak is %+v", r.Peak)
	}
	if r.Peak != nil && (r.Peak.AtSeconds <= 0 || r.Peak.AtSeconds > r.DurationSeconds-0.4) {
		t.Errorf("it was at %v of %v s", r.Peak.AtSeconds, r.DurationSeconds)
	}
	peak, some := functionOf(t, r, "peak_block"), functionOf(t, r, "some_block")
	if peak.Blocks != 0 || peak.PeakBytes != phasesPeak || peak.PeakBlocks != 701 || peak.TemporaryBlocks != 0 {
		t.Errorf("of the peak: %+v", peak)
	}
	if want := []report.SizeClass{{UpToBytes: 256, Blocks: 101}, {UpToBytes: 16384, Blocks: 600}}; len(peak.Sizes) != 2 || peak.Sizes[0] != want[0] || peak.Sizes[1] != want[1] {
		t.Errorf("sizes %+v", peak.Sizes)
	}
	for _, l := range peak.Lifetimes { // 100 ms and more
		if l.UpToSeconds < 0.1 {
			t.Errorf("lifetimes %+v", peak.Lifetimes)
		}
	}
	if some.PeakBytes != phasesSome || some.Bytes != phasesSome || some.FreedBlocks != 0 || some.Lifetimes != nil {
		t.Errorf("of some blocks: %+v", some)
	}
	if s := functionOf(t, r, "temporary_string"); s.TemporaryBlocks != 4001 || s != &r.Stacks[0] {
		t.Errorf("of strings: %+v", s)
	}
	leak := functionOf(t, r, "leak_block")
	got := make(map[string]report.Sum)
	for _, th := range leak.Threads {
		got[th.Name] = th.Sum
	}
	for name, blocks := range map[string]uint64{"worker-0": 70, "worker-1": 140, "worker-2": 211} {
		if got[name] != (report.Sum{Bytes: 300 * blocks, Blocks: blocks}) {
			t.Errorf("%s leaks %+v of %+v", name, got[name], leak.Threads)
		}
	}
	var threads, modules report.Sum
	for _, th := range r.Threads {
		threads = threads.Plus(th.Sum)
	}
	for _, mod := range r.Modules {
		modules = modules.Plus(mod.Sum)
	}
	if modules != r.Outstanding || threads.Blocks < phasesLeaks+97 || threads.Bytes > r.Outstanding.Bytes {
		t.Errorf("threads hold %+v, modules %+v of %+v", threads, modules, r.Outstanding)
	}
}

// go tool pprof reads what was held at the peak, and how many blocks were temporary.
func TestMeasuresPprof(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.NeedTool(t, "go")
	program := testprog.BuildProgram(t, "gcc -O1 -g -fno-inline -fno-optimize-sibling-calls -pthread", phases)
	path := filepath.Join(t.TempDir(), "phases.pb.gz")
	m := launchMemtrace(t, "--exact", "-T", "0", "--older", "0", "-f", "pprof", "-o", path, "--", program)
	if code := m.wait(); code != exitOK {
		t.Fatalf("memtrace ended with %d: %s", code, m.stderr.String())
	}
	for index, want := range map[string]map[string]string{
		"peak_space":        {"peak_block": "3010100B", "some_block": "97000B"},
		"peak_objects":      {"peak_block": "701", "some_block": "97"},
		"temporary_objects": {"temporary_string": "4001"},
		"inuse_objects":     {"leak_block": "421"},
	} {
		out, err := exec.Command("go", "tool", "pprof", "-symbolize=none", "-top", "-unit=B", "-sample_index="+index, path).CombinedOutput()
		for function, figure := range want {
			// FLAT FLAT% SUM% CUM CUM% NAME
			row := regexp.MustCompile(`(?m)^ *` + strings.TrimSuffix(figure, "B") + `B? .* ` + function + `( \(inline\))?$`)
			if err != nil || !row.Match(out) {
				t.Errorf("-sample_index=%s, %v: %s does not have %s in\n%s", index, err, function, figure, out)
			}
		}
	}
}
