package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"memtrace/tracer/testprog"
)

// The verdict of a trace says what grows and how far outstanding blocks explain
// it; a heap that grows by holes alone is not called a leak.
func TestVerdict(t *testing.T) {
	testprog.NeedRoot(t)
	dir := t.TempDir()
	if err := testprog.Build(t.Context(), "../../tracer/region/proc/testdata", dir); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ mode, want string }{
		{"brk", `^brk heap grows .*; brk heap: explained to (9\d|100) % by stack`},
		{"arena", `^thread arenas grow .*; thread arenas: explained to (9\d|100) % by stack`},
		{"malloc", `^malloc's mmaps grow .* in segments of 2.0 MiB.*: explained to (9\d|100) % by stack`},
		{"mmap", `^anonymous mmaps grow .* in segments of 2.0 MiB.*: explained to (9\d|100) % by stack`},
		{"holes", `^brk heap grows .*; brk heap: no outstanding allocation explains it`},
		{"none", `^nothing grows$`},
	} {
		t.Run(tc.mode, func(t *testing.T) {
			t.Parallel()
			p := testprog.Command(t, exec.Command(filepath.Join(dir, "grow"), tc.mode))
			m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
			for range 40 {
				p.Say("")
				if line := p.Line(); line != "ok" {
					t.Fatalf("the program says %q", line)
				}
				time.Sleep(230 * time.Millisecond) // out of step with the polls
			}
			r := m.stop()
			if r.Memory == nil || r.System == nil {
				t.Fatal("no section on memory")
			}
			if !regexp.MustCompile(tc.want).MatchString(r.Memory.Verdict) {
				t.Errorf("verdict %q, want %s", r.Memory.Verdict, tc.want)
			}
			if r.System.TotalBytes == 0 || len(r.Memory.Regions) == 0 {
				t.Errorf("memory %+v, system %+v", r.Memory, r.System)
			}
		})
	}
}
