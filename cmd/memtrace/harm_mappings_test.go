package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testprog"
)

// A process with many mappings that keeps making memory executable costs memtrace little. A
// library loaded in the middle of that still gets its names.
func TestHarmMappings(t *testing.T) {
	testprog.NeedRoot(t)
	binary := buildMemtrace(t, t.TempDir())
	plugin := harmProgram(t, "plugged.so")
	for _, what := range []string{"anonymous", "file"} {
		t.Run(what, func(t *testing.T) {
			p := testprog.Command(t, exec.Command(harmProgram(t, "compiler"), "60000", what))
			ready, out := filepath.Join(t.TempDir(), "ready"), filepath.Join(t.TempDir(), "report")
			m := exec.Command(binary, "-f", "json", "-T", "0", "--older", "0", "--ready-file", ready, "-o", out, "-p", strconv.Itoa(p.PID()))
			var stderr strings.Builder
			m.Stderr = &stderr
			if err := m.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = m.Process.Kill() }()
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
				if _, err := os.Stat(ready); err == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("memtrace is not ready")
				}
			}
			// The whole address space is first read at the start.
			time.Sleep(2 * time.Second)
			start, before := time.Now(), processorTime(t, m.Process.Pid)
			time.Sleep(2 * time.Second)
			p.Say(plugin)
			p.Line()
			time.Sleep(3 * time.Second)
			share := float64(processorTime(t, m.Process.Pid)-before) / float64(time.Since(start))
			t.Logf("memtrace took %.1f %% of a processor", 100*share)
			if share > 0.1 {
				t.Errorf("memtrace took %.0f %% of a processor", 100*share)
			}
			_ = m.Process.Signal(os.Interrupt)
			if err := m.Wait(); err != nil {
				t.Fatalf("%v: %s", err, stderr.String())
			}
			text, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			r := decodeReport(t, text)
			var blocks uint64
			for _, s := range r.Stacks {
				if len(s.Frames) > 0 && s.Frames[0].Function == "allocate_in_plugin" {
					blocks += s.Blocks
				}
			}
			if blocks != 7 || !r.Complete {
				t.Errorf("%d blocks of the library, want 7; complete %v, %v", blocks, r.Complete, r.Notes)
			}
		})
	}
}

// processorTime returns the processor time that a process has used so far.
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	var ts unix.Timespec
	const scheduled = 2 // CPUCLOCK_SCHED, include/linux/posix-timers_types.h
	if err := unix.ClockGettime(int32(^uint32(pid)<<3|scheduled), &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}
