package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// The tools that profiles are for read those of a real trace: what a stack is judged selects it,
// and of two traces the difference is what the longer one saw more.
func TestProfilesOfATrace(t *testing.T) {
	program := buildKept(t)
	for _, tool := range []string{"go", "node"} {
		testprog.NeedTool(t, tool)
	}
	dir := t.TempDir()
	trace := func(name string, args ...string) string {
		p := testprog.Command(t, exec.Command(program, "100000", "w", "0"))
		path := filepath.Join(dir, name)
		m := startMemtrace(t, append(args, "-o", path, "-p", strconv.Itoa(p.PID()))...)
		p.Say("go")
		if code := m.wait(); code != exitOK {
			t.Fatalf("ended with %d: %s", code, m.stderr.String())
		}
		return path
	}
	short, long := trace("short.pb.gz", "-f", "pprof", "-d", "1"), trace("long.pb.gz", "-f", "pprof", "-d", "4")
	pprof := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("go", append([]string{"tool", "pprof", "-symbolize=none", "-unit=B"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	// cumulated is what a function has with those it calls, in bytes.
	cumulated := func(text, function string) int {
		m := regexp.MustCompile(`(-?\d+)B +[-\d.]+% +` + function + `\n`).FindStringSubmatch(text)
		if m == nil {
			return 0
		}
		n, _ := strconv.Atoi(m[1])
		return n
	}
	all := pprof("-top", "-cum", long)
	leak, table := cumulated(all, "forget"), cumulated(all, "fill_table")
	if leak < 100000 || table != 400<<10 {
		t.Errorf("forget has %d, fill_table %d bytes:\n%s", leak, table, all)
	}
	for focus, want := range map[string][2]int{
		"kind=^leak$": {leak, 0}, "kind=filled": {0, table}, "served=brk heap": {leak, 0}, "served=own mappings": {0, table},
		"memory=heap": {leak, table},
	} {
		text := pprof("-top", "-cum", "-nodefraction=0", "-tagfocus="+focus, long)
		if got := [2]int{cumulated(text, "forget"), cumulated(text, "fill_table")}; got != want {
			t.Errorf("-tagfocus=%s: %d, want %d:\n%s", focus, got, want, text)
		}
	}
	before := cumulated(pprof("-top", "-cum", short), "forget")
	difference := pprof("-top", "-cum", "-nodefraction=0", "-diff_base="+short, long)
	if got := cumulated(difference, "forget"); got != leak-before || got < 30000 {
		t.Errorf("the difference is %d, of %d and %d:\n%s", got, before, leak, difference)
	}
	if got := cumulated(difference, "fill_table"); got != 0 {
		t.Errorf("fill_table differs by %d:\n%s", got, difference)
	}

	file := trace("leak.speedscope.json", "-f", "speedscope", "-d", "1")
	out, err := exec.Command("node", "../../tracer/report/testdata/speedscope/import.mjs", file).CombinedOutput()
	if err != nil {
		t.Fatalf("speedscope: %v\n%s", err, out)
	}
	if text := string(out); !strings.Contains(text, `{"name":"bytes outstanding","unit":"bytes"`) || !strings.Contains(text, `main;fill_table;take":409600`) || !strings.Contains(text, `main;forget;take"`) {
		t.Errorf("speedscope sees\n%s", text)
	}
}
