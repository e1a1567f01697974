package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// What leaks ten times a minute beside millions of calls a second no window meets. Where the calls
// return it is seen all the same, and the report names both stacks.
func TestFocusNamesRareLeaks(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := startBusy(t, "6000")
	m := startMemtrace(t, append(budget, "-p", fmt.Sprint(p.PID()), "--heap", "-d", "120s")...)
	if code := m.wait(); code != exitOK {
		t.Fatalf("ended with %d: %s", code, m.stderr.String())
	}
	r := m.reports()[0]
	text := asText(t, r)
	if r.Mode != report.ModeWindows || r.Heap == nil || r.Heap.Focus == nil {
		t.Fatalf("%s, %+v: %s", r.Mode, r.Heap, m.stderr.String())
	}
	for _, tc := range []struct {
		g      *report.HeapOrigin
		source string
	}{
		{groupOf(r, 136, report.HeapGlobal, "sessions"), "calloc(1, sizeof *x)"},
		{groupOf(r, 88, report.HeapUnreached, ""), "malloc(88)"},
	} {
		line := lineWith(t, busySource, tc.source)
		checkJoined(t, tc.g, line, true, text)
		if tc.g == nil || len(tc.g.AllocatedBy) != 1 {
			t.Errorf("%s: %s", tc.source, text)
			continue
		}
		s := &tc.g.AllocatedBy[0]
		if s.Returned < 3 || s.Given > 2*s.Returned || strings.Contains(text, "perhaps allocated by") {
			t.Errorf("%s: %+v: %s", tc.source, s, text)
		}
	}
	f := r.Heap.Focus
	if f.Probed < 10 || f.Probed+f.OtherSizes+f.TooOften+f.Refused+f.NoRoom != f.Places || f.Calls < 6 || f.Unread != "" || f.Lost != 0 {
		t.Errorf("%+v", f)
	}
	if !strings.Contains(text, "seen where the calls returned") || !strings.Contains(text, "have a probe where malloc and the like return: met ") {
		t.Errorf("%s", text)
	}
	t.Logf("%+v\n%s", f, text)
	if after := codeChanges(t, p.PID()); after != "" {
		t.Errorf("the process has another code than its files: %s", after)
	}
}

// Nothing is probed there where every call is traced, or if that is not wanted.
func TestNoFocus(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for _, args := range [][]string{{"--exact"}, {"--max-overhead", "3", "--no-focus"}} {
		p := startBusy(t, "100")
		m := startMemtrace(t, append(args, "-p", fmt.Sprint(p.PID()), "--heap=500ms", "-d", "20s")...)
		if code := m.wait(); code != exitOK {
			t.Fatalf("ended with %d: %s", code, m.stderr.String())
		}
		if r := m.reports()[0]; r.Heap == nil || r.Heap.Looks < 3 || r.Heap.Focus != nil {
			t.Errorf("%q: %+v", args, r.Heap)
		}
	}
}

// codeChanges says where the code of a process differs from that of its files, "" if it does not.
func codeChanges(t *testing.T, pid int) (list string) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	compared := 0
	for line := range strings.Lines(string(maps)) {
		var start, end, offset uint64
		var perms, dev, path string
		var inode int
		if n, _ := fmt.Sscanf(line, "%x-%x %s %x %s %d %s", &start, &end, &perms, &offset, &dev, &inode, &path); n < 7 || perms != "r-xp" || inode == 0 {
			continue
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		now, then := make([]byte, end-start), make([]byte, end-start)
		got, _ := file.ReadAt(then, int64(offset))
		_ = file.Close() // it was only read
		if _, err := mem.ReadAt(now, int64(start)); err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if compared++; now[i] != then[i] {
				list += fmt.Sprintf("%s+%#x: %#x rather than %#x\n", path, offset+uint64(i), now[i], then[i])
			}
		}
	}
	if compared == 0 {
		t.Error("no code was compared")
	}
	return list
}
