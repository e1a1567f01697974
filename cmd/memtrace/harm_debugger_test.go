package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// A debugger takes probes for the program's own code and writes them back when it leaves.
// memtrace must stay until then.
func TestHarmDebuggerLeavesLast(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for mode, args := range map[string][]string{"exact": nil, "windows": {"--max-overhead", "0.1"}} {
		t.Run(mode, func(t *testing.T) {
			p := testprog.Command(t, exec.Command(harmProgram(t, "text"), "plain"))
			at, file := libcFunction(t, p.PID(), "malloc")
			m := startMemtrace(t, append(args, "-p", strconv.Itoa(p.PID()))...)
			if mode == "windows" {
				for !strings.Contains(m.stderr.String(), "windows of time") {
					leak(p, 1000)
				}
			}
			g := startDebugger(t, p, "break *(long)&malloc", "ignore 1 1000000")
			waitFor(t, m, "is attached to process")
			leak(p, 5)
			m.cancel()
			waitFor(t, m, "the probes stay until")
			leak(p, 5)
			g.leave(t)
			if code := m.wait(); code != exitOK {
				t.Fatalf("memtrace ended with %d: %s", code, m.stderr.String())
			}
			if notes := strings.Join(m.reports()[0].Notes, " "); !strings.Contains(notes, "gdb (pid") {
				t.Errorf("the report does not name the debugger: %q", notes)
			}
			if got := codeAt(t, p.PID(), at); got != file {
				t.Errorf("%#x is left at malloc, want %#x", got, file)
			}
			leak(p, 5) // the process must still be alive
		})
	}
}

// A debugger that was there first removes the probes when it leaves.
func TestHarmDebuggerFirst(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := testprog.Command(t, exec.Command(harmProgram(t, "text"), "plain"))
	at, file := libcFunction(t, p.PID(), "malloc")
	g := startDebugger(t, p, "break *(long)&malloc", "ignore 1 1000000")
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
	g.leave(t)
	waitFor(t, m, "has left process")
	waitFor(t, m, "back in place")
	leak(p, 89)
	r := m.stop()
	wantUnprobed(t, r, "breakpoints of gdb", "taken away")
	if got := leaked(r); got != 89 {
		t.Errorf("%d blocks outstanding, want 89", got)
	}
	if got := codeAt(t, p.PID(), at); got != file {
		t.Errorf("%#x is left at malloc, want %#x", got, file)
	}
	leak(p, 5)
}

// A stopped process is reported by name.
func TestHarmStopped(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Command(t, exec.Command(harmProgram(t, "text"), "plain"))
	if err := unix.Kill(p.PID(), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	state := func() string { return processState(t, p.PID()) }
	for deadline := time.Now().Add(10 * time.Second); state() != "T"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the process is not stopped but %s", state())
		}
	}
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
	waitFor(t, m, "is stopped")
	if err := unix.Kill(p.PID(), unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	leak(p, 97)
	wantLeak(t, m.stop(), 97)
}

// gdb is a debugger that is attached to a process and lets it run.
type gdb struct {
	cmd *exec.Cmd
	out lockedBuffer
}

// startDebugger makes gdb attach, run commands, and let the process continue.
func startDebugger(t *testing.T, p *testprog.Program, commands ...string) *gdb {
	t.Helper()
	args := []string{"-q", "-nx", "-batch", "-ex", "set pagination off", "-ex", "set confirm off", "-p", strconv.Itoa(p.PID())}
	for _, c := range append(commands, `echo \nis attached\n`, "continue") {
		args = append(args, "-ex", c)
	}
	g := &gdb{cmd: exec.Command("gdb", args...)}
	g.cmd.Env = append(os.Environ(), "DEBUGINFOD_URLS=")
	g.cmd.Stdout, g.cmd.Stderr = io.Writer(&g.out), io.Writer(&g.out)
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = g.cmd.Process.Kill()
		_ = g.cmd.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		state := processState(t, p.PID())
		if strings.Contains(g.out.String(), "\nis attached\n") && state != "t" {
			return g
		}
		if time.Now().After(deadline) {
			t.Fatalf("gdb does not let the process run: %s", g.out.String())
		}
	}
}

// leave ends gdb, which detaches.
func (g *gdb) leave(t *testing.T) {
	t.Helper()
	if err := g.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Wait(); err != nil {
		t.Fatalf("gdb: %v\n%s", err, g.out.String())
	}
}

// processState returns the letter that /proc shows for the state of a process.
func processState(t *testing.T, pid int) string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	state, _, _ := strings.Cut(rest, " ")
	return state
}
