package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// usable returns how many bytes of anonymous memory process pid can use.
func usable(t *testing.T, pid int) (bytes uint64) {
	t.Helper()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if words[1] == "---p" || words[4] != "0" || len(words) > 5 && words[5] != "[heap]" {
			continue
		}
		var start, end uint64
		if _, err := fmt.Sscanf(words[0], "%x-%x", &start, &end); err != nil {
			t.Fatal(err)
		}
		bytes += end - start
	}
	return bytes
}

// growOf starts memtrace grow and returns when its probes are live.
func growOf(t *testing.T, pid int, args ...string) *traceRun {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	return waitReady(launchMemtrace(t, append([]string{
		"grow", "-f", "json", "-T", "0", "--ready-file", ready, "-p", strconv.Itoa(pid),
	}, args...)...), ready)
}

// Each way of growing has its function named, with all that the kernel has added, and
// nothing else.
func TestCoreGrow(t *testing.T) {
	testprog.NeedRoot(t)
	whole := wholeStacks(t)
	const steps, segment = 23, 2 << 20
	for _, tc := range []struct {
		mode, function, class string
		// bytes are those of the class, or 0 where malloc decides; touched is how many of them
		// are touched.
		bytes, touched uint64
		allocator      bool
	}{
		{"brk", "grow_heap", "brk", 0, steps * 3 * 100003, true},
		{"arena", "grow_heap", "arena", 0, steps * 3 * 100003, true},
		{"malloc", "grow_malloc", "malloc_mmap", steps * (segment + 4096), steps * segment, true},
		{"mmap", "grow_mmap", "mmap", steps * segment, steps * segment, false},
		{"mremap", "grow_mremap", "mmap", steps * segment, steps * segment, false},
		{"stacks", "grow_stacks", "thread_stack", steps * (1 << 20), 0, false},
		{"churn", "", "", 0, 0, false},
		{"none", "", "", 0, 0, false},
	} {
		t.Run(tc.mode, func(t *testing.T) {
			t.Parallel()
			p := testprog.Grow(t, tc.mode)
			m := growOf(t, p.PID())
			before := usable(t, p.PID())
			for range steps {
				p.Say("")
				if line := p.Line(); line != "ok" {
					t.Fatalf("the program says %q", line)
				}
			}
			want := usable(t, p.PID()) - before
			r := m.stop()
			switch {
			case leftOut(r) && !r.Complete:
				t.Logf("grown by %d bytes, want %d: %v", r.Outstanding.Bytes, want, r.Notes)
			case r.Outstanding.Bytes != want || !r.Complete || r.Mode != "growth":
				t.Errorf("grown by %d bytes, want %d; complete %v, lost %+v", r.Outstanding.Bytes, want, r.Complete, r.Events.Lost)
			}
			if tc.bytes != 0 && want != tc.bytes {
				t.Errorf("the program has grown by %d bytes, want %d", want, tc.bytes)
			}
			for _, s := range r.Stacks {
				if len(s.BlockList) > 0 {
					t.Error("blocks are listed though nobody asked for them")
				}
				if len(s.Grown) != 1 || s.Grown[0].Class != tc.class {
					t.Errorf("grown are %+v, want %s", s.Grown, tc.class)
				}
				if whole && (!hasFrame(s.Frames, tc.function) || s.InAllocator != tc.allocator || s.Truncated) {
					t.Errorf("stack %+v", s)
				}
			}
			if want > 0 && len(r.Stacks) == 0 {
				t.Error("no stack")
			}
			checkFaults(t, r.Growth, tc.function, tc.touched)
			t.Logf("%+v", r.Growth.Faults)
		})
	}
}

// checkFaults compares what function faulted in, by the samples, with what it has touched.
func checkFaults(t *testing.T, g *report.Growth, function string, touched uint64) {
	t.Helper()
	if !g.Faults.Sampled {
		t.Log("no page faults on this kernel")
		return
	}
	var got uint64
	for _, s := range g.FaultStacks {
		if hasFrame(s.Frames, function) {
			got += s.Bytes
		}
	}
	// With some hundreds of samples the standard error is 5 %. The rest of the tolerance is
	// for the last page, of which only a part may be touched.
	if touched > 0 && (float64(got) < 0.7*float64(touched) || float64(got) > 1.3*float64(touched)+64<<10) {
		t.Errorf("%s has faulted in %d bytes by the samples, it has touched %d", function, got, touched)
	}
	if !g.Faults.Estimated {
		t.Error("an estimate is not called so")
	}
}

// TestGrowForms checks a report in every form, and the end of the process.
func TestGrowForms(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for format, want := range map[string]string{
		"text": "of it in memory (estimate, ", "json": `"class": "mmap"`, "folded": ";grow_mmap", "pprof": "",
	} {
		t.Run(format, func(t *testing.T) {
			p := testprog.Grow(t, "mmap")
			ready := filepath.Join(t.TempDir(), "ready")
			m := waitReady(launchMemtrace(t, "grow", "-q", "-f", format, "--ready-file", ready, "-p", strconv.Itoa(p.PID())), ready)
			for range 7 {
				p.Say("")
				p.Line()
			}
			p.Kill()
			if code := m.wait(); code != exitOK || m.stderr.String() != "" {
				t.Errorf("ended with %d: %s", code, m.stderr.String())
			}
			if out := m.stdout.String(); !strings.Contains(out, want) || out == "" {
				t.Errorf("no %q in\n%s", want, out)
			}
		})
	}
}

// Reports come at every interval.
func TestGrowIntervals(t *testing.T) {
	testprog.NeedRoot(t)
	pid := sleeper(t, nil).Process.Pid
	r := launchMemtrace(t, "grow", "-f", "json", "-p", strconv.Itoa(pid), "100ms", "3")
	if code := r.wait(); code != exitOK {
		t.Fatalf("ended with %d: %s", code, r.stderr.String())
	}
	if all := r.reports(); len(all) != 3 || len(all[2].Stacks) != 0 || all[2].Target.Command != "sleep" {
		t.Errorf("%d reports, the last %+v", len(all), all[len(all)-1])
	}
}
