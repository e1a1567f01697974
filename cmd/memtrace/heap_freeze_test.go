package main

import (
	_ "embed"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/process/procstatus"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

//go:embed testdata/heap/registers.c
var registersSource string

// large is a program with 200 MB in its heap.
const large = `#include <stdlib.h>
#include <string.h>
#include <unistd.h>
void *volatile list;
int main(void)
{
	for (int i = 0; i < 2000; i++) {
		void **p = memset(malloc(100000), 1, 100000);
		p[0] = list;
		list = p;
	}
	return write(1, "ready large\n", 12) != 12 || pause();
}`

// runs checks that a process is neither stopped nor traced.
func runs(t *testing.T, pid int) {
	t.Helper()
	status, err := procstatus.Of(pid)
	if err != nil {
		t.Fatal(err)
	}
	if state := status.Word("State"); state == "t" || state == "T" || status.Number("TracerPid") != 0 {
		t.Errorf("state %s, traced by %d", state, status.Number("TracerPid"))
	}
}

// What only registers point to is found where the process is stopped, and the report says how long
// that was and what it does.
func TestHeapFreeze(t *testing.T) {
	pid := startReady(t, "gcc -O1 -g", registersSource).PID()
	for _, frozen := range []bool{false, true} {
		args := []string{"heap", "-p", fmt.Sprint(pid), "-f", "json"}
		if frozen {
			args = append(args, "--freeze", "--max-stall", "10s")
		} else {
			args = append(args, "--max-overhead", "100", "10ms", "3")
		}
		code, stdout, stderr := runFor(t, args...)
		if code != exitOK {
			t.Fatalf("ended with %d: %s", code, stderr)
		}
		r := decodeReports[report.HeapReport](t, stdout)[0]
		held := make(map[uint64]string)
		for _, k := range r.Kinds {
			if k.Holder >= 0 {
				held[k.Size] = r.Holders[k.Holder].Class
			} else if k.Holder == report.HeapNoHolder {
				held[k.Size] = "nobody"
			}
		}
		want, lost := "nobody", uint64(2)
		if frozen {
			want, lost = report.HeapRegisters, 0
		}
		// The larger one is in a group of sizes.
		if held[1000] != want || held[1792] != want || r.Unreachable == nil || r.Unreachable.Certain.Blocks != lost {
			t.Errorf("stopped %v: held %v, unreachable %+v", frozen, held, r.Unreachable)
		}
		if frozen != (r.Stops != nil) || frozen && (r.Looks != 1 || r.Stops.Times != 1 || r.Stops.LongestSeconds <= 0 || r.Stops.LongestSeconds > 10 || r.Stops.CopiedBytes < 64<<10) {
			t.Errorf("%d looks, stops %+v", r.Looks, r.Stops)
		}
		if said := strings.Contains(strings.Join(r.Notes, " "), "epoll_wait and semop, returned EINTR"); said != frozen {
			t.Errorf("notes %q", r.Notes)
		}
	}
	runs(t, pid)
}

// Pictures show what grows as looks at the running process do, and of what two busy threads have
// nothing seems lost.
func TestHeapFreezeFindsLeaks(t *testing.T) {
	p := startBusy(t, "100")
	code, stdout, stderr := runFor(t, "heap", "-p", fmt.Sprint(p.PID()), "-f", "json", "--max-overhead", "100", "--freeze", "--max-stall", "10s", "1", "8")
	if code != exitOK {
		t.Fatalf("ended with %d: %s", code, stderr)
	}
	r := decodeReports[report.HeapReport](t, stdout)[0]
	wantLeaks(t, &r, 480, 720)
	if r.Stops == nil || r.Stops.Times != 8 || r.Blocks.Resyncs != 0 {
		t.Errorf("stops %+v, %d resynchronisations", r.Stops, r.Blocks.Resyncs)
	}
	for _, l := range r.Unreachable.Lost {
		if l.Size != 88 || !l.Certain {
			t.Errorf("lost: %+v", l)
		}
	}
	runs(t, p.PID())
}

// A stop that would take too long, and one beside another tracer, are refused in one line.
func TestHeapFreezeRefused(t *testing.T) {
	pid := startReady(t, "gcc -O1", large).PID()
	refused := func(want string, args ...string) {
		t.Helper()
		code, stdout, stderr := runFor(t, append([]string{"heap", "-p", fmt.Sprint(pid), "--freeze"}, args...)...)
		if code != exitError || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%d, %q, %q", code, stdout, stderr)
		}
		runs(t, pid)
	}
	refused("more than it may be stopped for (2ms): allow more with --max-stall", "--max-stall", "2ms")
	refused("to copy: too many for the memory that is allowed (100.0 MiB): allow more with --max-memory", "--max-stall", "10s", "--max-memory", "100M")
	for _, args := range [][]string{{"--max-stall", "1s"}, {"--freeze", "--max-stall", "10us"}, {"--freeze", "--max-stall", "2m"}} {
		if code, _, stderr := runFor(t, append([]string{"heap", "-p", fmt.Sprint(pid)}, args...)...); code != exitUsage || !strings.Contains(stderr, "--max-stall") {
			t.Errorf("%q: %d, %q", args, code, stderr)
		}
	}
	testprog.NeedTool(t, "strace")
	tracer := exec.Command("strace", "-q", "-o", "/dev/null", "-p", fmt.Sprint(pid))
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = tracer.Process.Kill()
		_ = tracer.Wait()
	}()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if status, _ := procstatus.Of(pid); status.Number("TracerPid") == tracer.Process.Pid {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("strace does not trace")
		}
	}
	code, stdout, stderr := runFor(t, "heap", "-p", fmt.Sprint(pid), "--freeze", "--max-stall", "10s")
	if want := fmt.Sprintf("is traced by strace (pid %d): ", tracer.Process.Pid); code != exitError || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, want) {
		t.Errorf("%d, %q, %q", code, stdout, stderr)
	}
}

// The process goes on if memtrace is killed while it has stopped it.
func TestHeapFreezeKilled(t *testing.T) {
	pid := startReady(t, "gcc -O1", large).PID()
	stopped := func() bool {
		status, err := procstatus.Of(pid)
		if err != nil {
			t.Fatal(err)
		}
		return status.Word("State") == "t"
	}
	caught := 0
	for try := 0; try < 20 && caught < 3; try++ {
		cmd := exec.Command(testprog.Memtrace(t), "heap", "-p", fmt.Sprint(pid), "--freeze", "--max-stall", "10s")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for on := true; on; {
			select {
			case <-ended:
				on = false
			default:
				if stopped() {
					_ = cmd.Process.Signal(unix.SIGKILL)
					if err := <-ended; err != nil {
						caught++
					}
					on = false
				}
			}
		}
		runs(t, pid)
	}
	if caught == 0 {
		t.Error("memtrace was never killed while the process was stopped")
	}
}
