package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// A page of a real trace has the answer, and the data for charts of the process and of the stack that
// leaks.
func TestHTML(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	program := testprog.BuildProgram(t, "gcc -O1 -g -fno-builtin -fno-optimize-sibling-calls", forgetful)
	p := testprog.Command(t, exec.Command(program, "50000"))
	file := filepath.Join(t.TempDir(), "leak.html")
	began := time.Now()
	if code, stdout, stderr := runFor(t, "--exact", "-d", "4s", "-p", strconv.Itoa(p.PID()), "-f", "html", "-o", file); code != exitOK || stdout != "" {
		t.Fatalf("ended with %d: %s%s", code, stdout, stderr)
	}
	passed := time.Since(began).Seconds()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, answer, _ := strings.Cut(string(page), "<h1>")
	answer, _, _ = strings.Cut(answer, "</h1>")
	if !strings.Contains(answer, "leaks") || !strings.Contains(answer, "<mark>forget</mark>") {
		t.Errorf("the answer is %s", answer)
	}
	_, doc, _ := strings.Cut(string(page), `class="data">`)
	doc, _, _ = strings.Cut(doc, "</script>")
	var data struct{ Report report.Report }
	if err := json.Unmarshal([]byte(doc), &data); err != nil {
		t.Fatal(err)
	}
	l := data.Report.Timeline
	if l == nil || len(l.Seconds) < 4 || len(l.Stacks) == 0 {
		t.Fatalf("the timeline is %+v", l)
	}
	last := len(l.Seconds) - 1
	if took := data.Report.DurationSeconds; l.Seconds[0] > took/3 || l.Seconds[last] < took-1 || l.Seconds[last] > passed {
		t.Errorf("it is from %.1f s to %.1f s, the trace took %.1f s and memtrace %.1f s", l.Seconds[0], l.Seconds[last], took, passed)
	}
	if held := data.Report.Outstanding.Bytes; l.ResidentBytes[last]-l.ResidentBytes[0] < held/2 || l.BrkBytes[last]-l.BrkBytes[0] < held/2 {
		t.Errorf("resident grew from %d to %d, brk from %d to %d, and %d is held", l.ResidentBytes[0], l.ResidentBytes[last], l.BrkBytes[0], l.BrkBytes[last], held)
	}
	s := l.Stacks[0]
	if n := len(s.Bytes); n < 8 || n != len(s.Seconds) || s.Bytes[n-1] < 3*s.Bytes[0] || s.Seconds[n-1] > passed {
		t.Errorf("the stack held %v at %v", s.Bytes, s.Seconds)
	}
}

// A record makes the same page, with all its stacks.
func TestHTMLOfRecord(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	program := testprog.BuildProgram(t, "gcc -O1 -g -fno-builtin -fno-optimize-sibling-calls", forgetful)
	p := testprog.Command(t, exec.Command(program, "50000"))
	dir := t.TempDir()
	recorded, page := filepath.Join(dir, "leak.mt"), filepath.Join(dir, "leak.html")
	if code, _, stderr := runFor(t, "--exact", "-d", "2s", "-p", strconv.Itoa(p.PID()), "--record", recorded, "-o", filepath.Join(dir, "leak.txt")); code != exitOK {
		t.Fatalf("ended with %d: %s", code, stderr)
	}
	if code, _, stderr := runFor(t, "report", recorded, "-f", "html", "-o", page); code != exitOK {
		t.Fatalf("ended with %d: %s", code, stderr)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"<code>forget</code>", `"timeline":{`, `"resident_bytes":[`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("the page lacks %s", part)
		}
	}
}
