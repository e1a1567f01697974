package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// TestGate says which findings and sizes fail, and what is said then.
func TestGate(t *testing.T) {
	finding := func(kind report.FindingKind, confidence string, rate float64) *report.Report {
		return &report.Report{
			Target: report.Target{PID: 7, Command: "served"}, Mode: report.ModeExact, DurationSeconds: 60,
			Outstanding: report.Sum{Bytes: 3 << 20, Blocks: 3},
			Diagnosis: &report.Diagnosis{Findings: []report.Finding{
				{Kind: report.KeepsFree, Confidence: "certain", Text: "keeps free"},
				{Kind: kind, Confidence: confidence, Text: "does " + string(kind), BytesPerSecond: report.Bounds{Value: rate, Low: rate / 2, High: rate * 2}},
			}},
		}
	}
	leak := finding(report.Leak, "likely", 100<<10)
	hiding := finding(report.CacheFills, "certain", 0)
	hiding.Suppressed = []report.Suppressed{{Pattern: "x", Stacks: 1, Sum: report.Sum{Bytes: 1 << 20, Blocks: 1}}}
	windows := finding(report.Leak, "likely", 100<<10)
	windows.Mode, windows.Outstanding = report.ModeWindows, report.Sum{Bytes: 1 << 30, Blocks: 1}
	maybe := finding(report.Leak, "possible", 1<<30)
	maybe.Mode = report.ModeWindows
	ended := finding(report.Leak, "likely", 1<<30)
	ended.Mode, ended.Target.Processes = report.ModeWindows, 3
	short := finding(report.TooShort, "certain", 0)

	const stays = "\x00"
	for _, tc := range []struct {
		on, over string
		r        *report.Report
		want     string // stays: passes
	}{
		{"leak", "", leak, "--fail-on leak: served (pid 7) does leak"},
		{"active", "", leak, stays},
		{"possible", "", leak, stays},
		{"active,cache , leak", "", leak, "--fail-on active,cache,leak: served (pid 7) does leak"},
		{"leak", "", maybe, stays},
		{"possible", "", maybe, "--fail-on possible: served (pid 7) does leak"},
		{"leak", "", finding(report.ActiveLeak, "certain", 1), "--fail-on leak: served (pid 7) does active_leak"},
		{"active", "", finding(report.ActiveLeak, "certain", 1), "--fail-on active: served (pid 7) does active_leak"},
		{"leak", "", finding(report.UnjoinedThreads, "certain", 1), "--fail-on leak: served (pid 7) does unjoined_threads"},
		{"leak", "", finding(report.NeverFreed, "certain", 0), stays},
		{"never_freed", "", finding(report.NeverFreed, "certain", 0), "--fail-on never_freed: served (pid 7) does never_freed"},
		{"cache", "", finding(report.CacheReplaces, "certain", 0), "--fail-on cache: served (pid 7) does cache_replaces"},
		{"any", "", leak, "--fail-on any: served (pid 7) keeps free (and one more finding)"},
		{"keeps_free,too_short", "", short, "--fail-on keeps_free,too_short: served (pid 7) keeps free (and one more finding)"},
		{"", "3M", leak, stays},
		{"", "3071k", leak, "--fail-over 3071k: served (pid 7) holds 3.0 MiB"},
		{"", "2M", hiding, stays},
		{"", "2047k", hiding, "--fail-over 2047k: served (pid 7) holds 2.0 MiB"},
		{"", "0", hiding, "--fail-over 0: served (pid 7) holds 2.0 MiB"},
		{"", "6000k", windows, stays},
		{"", "5M", windows, "--fail-over 5M: served (pid 7) has leaked some 5.9 MiB in 1 min 0 s [2.9 MiB - 11.7 MiB]"},
		{"", "5M", maybe, stays},
		{"", "5M", ended, stays},
		{"leak", "1M", leak, "--fail-on leak: served (pid 7) does leak; --fail-over 1M: served (pid 7) holds 3.0 MiB"},
	} {
		var g gate
		if tc.on != "" {
			if err := g.on.Set(tc.on); err != nil {
				t.Fatal(err)
			}
		}
		if tc.over != "" {
			if err := g.over.Set(tc.over); err != nil {
				t.Fatal(err)
			}
		}
		got := g.why([]*report.Report{tc.r})
		if got == "" {
			got = stays
		}
		if got != tc.want {
			t.Errorf("--fail-on %s --fail-over %s: %q, want %q", tc.on, tc.over, got, tc.want)
		}
	}

	// What could not be judged is said, unless that fails or nobody asks.
	for _, tc := range []struct {
		g    gate
		list []*report.Report
		want string
	}{
		{gate{on: kindsValue{"leak"}}, []*report.Report{leak}, ""},
		{gate{}, []*report.Report{short}, ""},
		{gate{on: kindsValue{"leak"}}, []*report.Report{short, leak, short}, "passed without a verdict on served (pid 7) (and one more process)"},
		{gate{over: limitValue{given: true}}, []*report.Report{short}, ""},
		{gate{over: limitValue{given: true}}, []*report.Report{ended}, "passed without a verdict on served (3 processes that ended)"},
	} {
		if got := tc.g.untold(tc.list); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

// kept leaks for so many steps of 5 ms, keeps what libraries and it itself keep, and ends with a
// status.
const kept = `
#include <libintl.h>
#include <locale.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEEP __attribute__((noinline))

KEEP void *take(size_t size) { return memset(malloc(size), 1, size); }
KEEP void once_known(void)
{
	time_t now = 0;

	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	localtime(&now);
	setlocale(LC_ALL, "C.UTF-8");
	textdomain("kept");
	bindtextdomain("kept", "/tmp");
	getpwnam("root");
}
KEEP void fill_table(void) { *(void *volatile *)take(400 << 10) = 0; }
KEEP void forget(void) { take(1000); }

int main(int argc, char **argv)
{
	char buffer[512];

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	if (strcmp(argv[2], "-"))
		printf("ready %d\n", getpid());
	fflush(stdout);
	if (*argv[2] == 'w')
		read(0, buffer, 1);
	once_known();
	fill_table();
	for (int n = atoi(argv[1]); n--; usleep(5000))
		forget();
	return atoi(argv[3]);
}
`

func buildKept(t *testing.T) string {
	t.Helper()
	testprog.NeedRoot(t)
	testprog.Long(t)
	return testprog.BuildProgram(t, "gcc -O1 -g -fno-builtin -fno-optimize-sibling-calls", kept)
}

// lastLine is what was said last.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// What leaks fails, of one process and of several, at -d and at Ctrl-C, after the report.
func TestGateOfProcesses(t *testing.T) {
	program := buildKept(t)
	start := func(steps string) string {
		return strconv.Itoa(testprog.Command(t, exec.Command(program, steps, "r", "0")).PID())
	}
	leaking, another := start("100000"), start("100000")

	m := launchMemtrace(t, "--exact", "-d", "4s", "--fail-on", "leak", "--fail-over", "1G", "-q", "-p", leaking)
	if code := m.wait(); code != exitGate {
		t.Errorf("ended with %d: %s", code, m.stderr.String())
	}
	if want := "memtrace: --fail-on leak: program (pid " + leaking + ") leaks"; !strings.HasPrefix(m.stderr.String(), want) || strings.Count(m.stderr.String(), "\n") != 1 {
		t.Errorf("said %q, want %q", m.stderr.String(), want)
	}
	if !strings.Contains(m.stdout.String(), ") leaks ") {
		t.Errorf("the report is %q", m.stdout.String())
	}

	m = startMemtrace(t, "--fail-on", "any", "--fail-over", "100k", "-p", leaking+","+another)
	time.Sleep(4 * time.Second)
	m.cancel()
	if code := m.wait(); code != exitGate {
		t.Errorf("ended with %d: %s", code, m.stderr.String())
	}
	if said := lastLine(m.stderr.String()); !strings.Contains(said, "(and one more finding); --fail-over 100k: program (pid ") || !strings.HasSuffix(said, "KiB (and one more process)") {
		t.Errorf("said %q", said)
	}
	if n := len(m.reports()); n != 2 {
		t.Errorf("%d reports", n)
	}

	// A gate does not hide an error of memtrace, and what was too short for a verdict passes loudly.
	m = launchMemtrace(t, "--exact", "-d", "1s", "--fail-on", "leak", "--fail-over", "1", "-o", "/dev/full", "-p", leaking)
	if code := m.wait(); code != exitError {
		t.Errorf("a report that could not be written: %d: %s", code, m.stderr.String())
	}
	m = launchMemtrace(t, "--exact", "-d", "0.2s", "--fail-on", "leak", "-p", leaking)
	if code, said := m.wait(), lastLine(m.stderr.String()); code != exitOK || !strings.Contains(said, "passed without a verdict on program (pid ") {
		t.Errorf("ended with %d: %s", code, said)
	}
}

// A command fails by what it, or a process that it started, leaks. Its own failure stays.
func TestGateOfCommands(t *testing.T) {
	program := buildKept(t)
	child := program + " 800 - 0"
	for _, tc := range []struct {
		args []string
		want exitCode
		says string
	}{
		{[]string{"--fail-on", "leak", "--", "sh", "-c", child + " & " + child + " & wait"}, exitGate, "--fail-on leak: program (2 processes that ended) had 2 like this: pid "},
		{[]string{"--fail-on", "never_freed", "--", program, "1", "-", "0"}, exitGate, "ended with "},
		{[]string{"--fail-on", "never_freed", "--", program, "1", "-", "7"}, 7, "ended with "},
		{[]string{"--fail-on", "leak", "--", program, "1", "-", "0"}, exitOK, ""},
		{[]string{"--fail-over", "2M", "--", program, "1", "-", "0"}, exitOK, ""},
		{[]string{"--fail-over", "400k", "--", program, "1", "-", "0"}, exitGate, "--fail-over 400k: program (pid "},
	} {
		m := launchMemtrace(t, append([]string{"--exact"}, tc.args...)...)
		if code := m.wait(); code != tc.want || !strings.Contains(lastLine(m.stderr.String()), tc.says) {
			t.Errorf("%q: %d: %s", tc.args, code, m.stderr.String())
		}
		if m.stdout.String() == "" {
			t.Errorf("%q: no report", tc.args)
		}
	}
}

// What is suppressed is gone from findings and from the list, counted by pattern, and a term of
// the account. The list that memtrace comes with hides what libc keeps, and no more.
func TestSuppressions(t *testing.T) {
	program := buildKept(t)
	file := filepath.Join(t.TempDir(), "mine.supp")
	if err := os.WriteFile(file, []byte("# the leak\nleak:^forget$\nleak:nobody\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := testprog.Command(t, exec.Command(program, "100000", "w", "0"))
	m := startMemtrace(t, "--fail-on", "leak,never_freed", "--fail-over", "450k", "--suppressions", file, "--suppressions", "default", "-d", "4", "-p", strconv.Itoa(p.PID()))
	p.Say("go")
	if code := m.wait(); code != exitOK {
		t.Errorf("ended with %d: %s", code, m.stderr.String())
	}
	r := m.reports()[0]
	hidden := make(map[string]report.Suppressed)
	for _, s := range r.Suppressed {
		hidden[s.Pattern] = s
	}
	if s := hidden["^forget$"]; s.Stacks != 1 || s.Blocks < 50 || s.Bytes != 1000*s.Blocks || s.LeakBytesPerSecond == 0 {
		t.Errorf("of the leak is hidden %+v", s)
	}
	if _, ok := hidden["nobody"]; ok {
		t.Error("nobody is hidden")
	}
	// Debug data of libc gives names to its inner functions.
	for _, patterns := range [][]string{{"^tzset$", "^__tzfile_read$"}, {"^setlocale$"}, {"^textdomain$", "^__textdomain$"}, {"^bindtextdomain$", "^set_binding_values$"}} {
		if !slices.ContainsFunc(patterns, func(p string) bool { return hidden[p].Bytes > 0 }) {
			t.Errorf("%s hides nothing: %+v", patterns, r.Suppressed)
		}
	}
	environment := 1 + strings.Count(kept[:strings.Index(kept, "setenv(")], "\n") + 1 // the program begins in line 2
	var listed uint64
	for i := range r.Stacks {
		s := &r.Stacks[i]
		listed += s.Bytes
		for _, f := range s.Frames {
			if f.Function == "forget" || f.Function == "once_known" && f.Line != environment {
				t.Errorf("%s is listed: %+v", f.Function, s)
			}
		}
	}
	if all := r.AllSuppressed(); listed+all.Bytes != r.Outstanding.Bytes || listed < 400<<10 {
		t.Errorf("%d bytes are listed and %d suppressed of %d", listed, all.Bytes, r.Outstanding.Bytes)
	}
	if len(r.Stacks) != r.StacksTotal {
		t.Errorf("%d stacks of %d", len(r.Stacks), r.StacksTotal)
	}
	var suppressed int64
	for _, term := range r.Diagnosis.Accounts[0].Terms {
		switch term.Kind {
		case report.TermSuppressed:
			suppressed = term.Bytes
		case report.TermLeaks, report.TermPossible:
			t.Errorf("the account has %+v", term)
		}
	}
	if least := int64(hidden["^forget$"].Bytes); suppressed < least {
		t.Errorf("%d bytes of the account are suppressed, less than %d", suppressed, least)
	}
	if text, _ := json.Marshal(r.Diagnosis); strings.Contains(string(text), "forget") {
		t.Errorf("the answer is about what is hidden: %s", text)
	}

	// Of processes that have ended, too.
	m = launchMemtrace(t, "--exact", "--fail-on", "never_freed", "--suppressions", file, "--", "sh", "-c",
		fmt.Sprintf("%s 3 - 0; %s 4 - 0", program, program))
	if code := m.wait(); code != exitGate {
		t.Errorf("fill_table is not hidden: ended with %d: %s", code, m.stderr.String())
	}
	if out := m.stdout.String(); !strings.Contains(out, "Suppressed: 2 stacks, 6.8 KiB in 7 blocks, by leak:^forget$") || strings.Contains(out, " forget ") {
		t.Errorf("%s", out)
	}
}
