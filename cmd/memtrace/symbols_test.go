package main

import (
	"debug/elf"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// Debug information of another build is not used, and the report says so.
func TestDebugFileOfAnotherBuild(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "busy", "--leak-every", "100")
	p.Say("go")
	dir := t.TempDir()
	trace := func() *report.Report {
		m := startMemtrace(t, "-p", strconv.Itoa(p.PID()), "--debug-dir", dir)
		time.Sleep(200 * time.Millisecond)
		return m.stop()
	}
	unnamed := func(note string) bool { return strings.HasPrefix(note, "Frames may lack names") }
	r := trace()
	if slices.ContainsFunc(r.Notes, unnamed) {
		t.Fatalf("notes %q before there is a debug file", r.Notes)
	}
	id := buildID(t, r.Target.Libc)
	debug := filepath.Join(dir, ".build-id", id[:2], id[2:]+".debug")
	other, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(debug), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(debug, other, 0o644); err != nil {
		t.Fatal(err)
	}
	r = trace()
	if i := slices.IndexFunc(r.Notes, unnamed); i < 0 || !strings.Contains(r.Notes[i], debug) {
		t.Errorf("notes %q, want one that names %s", r.Notes, debug)
	}
}

// buildID returns the build ID by which .build-id directories name debug files.
func buildID(t *testing.T, path string) string {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const header = 16 // Elf64_Nhdr and "GNU\0"
	note, err := f.Section(".note.gnu.build-id").Data()
	if err != nil || len(note) <= header {
		t.Fatalf("%s has no build ID: %v", path, err)
	}
	return hex.EncodeToString(note[header:])
}
