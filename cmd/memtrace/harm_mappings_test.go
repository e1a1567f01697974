package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// Memtrace does not list all mappings each time when a process with many of them keeps making
// memory executable. A library loaded in the middle of that still gets its names.
func TestHarmMappings(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	binary := testprog.Memtrace(t)
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
			waitForFile(t, ready, &stderr)
			// The first look at the whole address space is at the beginning.
			time.Sleep(2 * time.Second)
			all, before := int64(len(mappings(t, p.PID()))), bytesRead(t, m.Process.Pid)
			time.Sleep(2 * time.Second)
			p.Say(plugin)
			p.Line()
			time.Sleep(3 * time.Second)
			read := bytesRead(t, m.Process.Pid) - before
			t.Logf("memtrace read %d bytes, the list of all mappings has %d", read, all)
			// There were thousands of changes.
			if read > 10*all {
				t.Errorf("memtrace read %d bytes, where the list of all mappings has %d", read, all)
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

// mappings is the list of a process's mappings.
func mappings(t *testing.T, pid int) []byte {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// bytesRead is how much a process has read so far.
func bytesRead(t *testing.T, pid int) (n int64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		t.Fatal(err)
	}
	scanLine(t, string(text), "rchar: %d", &n)
	return n
}
