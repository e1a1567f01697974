package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// A live view ends with the report on the usual screen by whatever ends the trace.
func TestLiveEnds(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	t.Parallel()
	for name, end := range map[string]func(*liveRun, *os.Process){
		"Ctrl-C":  func(r *liveRun, _ *os.Process) { r.press("\x03") },
		"SIGTERM": func(r *liveRun, _ *os.Process) { _ = r.cmd.Process.Signal(unix.SIGTERM) },
		"exit":    func(_ *liveRun, p *os.Process) { _ = p.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startDemo(t)
			r := startLive(t, 80, 24, "--exact", "-p", strconv.Itoa(p.Pid))
			r.shows("function < caller", "q quit")
			end(r, p)
			r.ends()
			if name != "exit" {
				checkUnprobed(t, p.Pid)
			}
		})
	}
}

// When the terminal is closed the trace ends, and no probe stays.
func TestLiveHangUp(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	t.Parallel()
	p := startDemo(t)
	r := startLive(t, 80, 24, "--exact", "-p", strconv.Itoa(p.Pid))
	r.shows("function < caller")
	if err := r.HangUp(); err != nil {
		t.Fatal(err)
	}
	_ = r.Wait(soon) // the report has nowhere to go
	if state := r.cmd.ProcessState; state == nil || !state.Exited() {
		t.Fatalf("memtrace has not ended: %v", state)
	}
	checkUnprobed(t, p.Pid)
}

// Ctrl-Z gives the terminal back to the shell, with fg the view goes on, and knows of the stop.
func TestLiveStopped(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	t.Parallel()
	testprog.NeedTool(t, "bash")
	p := startDemo(t)
	shell := exec.Command("bash", "--norc", "--noprofile", "-i")
	shell.Env = append(os.Environ(), "PS1=shell: ", "HISTFILE=")
	r := liveIn(t, shell, 80, 24)
	r.shows("shell:")
	r.press(fmt.Sprintf("%s --exact -p %d\r", testprog.Memtrace(t), p.Pid))
	r.shows("function < caller", "q quit")
	r.press("\x1a")
	r.shows("]+  Stopped")
	r.press("stty -a | tr ';' '\\n' | grep -c ' icanon'\r")
	r.shows("\n1\n")
	time.Sleep(2 * time.Second)
	r.press("fg\r")
	r.shows("function < caller", "q quit", "memtrace was stopped for")
	r.press("q")
	r.shows("Every call traced for", "shell:")
	r.press("exit\r")
	if err := r.Wait(soon); err != nil {
		t.Error(err)
	}
	checkUnprobed(t, p.Pid)
}

// Of several processes there is a list first, and Enter shows one.
func TestLiveSeveral(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	t.Parallel()
	p, q := startDemo(t), testprog.Start(t, "ways")
	r := startLive(t, 100, 24, "--exact", "-p", fmt.Sprintf("%d,%d", q.PID(), p.Pid))
	first, second := fmt.Sprintf("demo (pid %d) leaks", p.Pid), fmt.Sprintf("ways (pid %d)", q.PID())
	r.until("the worst process first", func(screen string) bool {
		a, b := strings.Index(screen, first), strings.Index(screen, second)
		return a >= 0 && b > a && strings.Contains(screen, "2 processes, of which 1 grows.")
	})
	r.press("\r")
	r.shows(first, "function < caller", "Esc back")
	r.press("\x1b")
	r.shows("2 processes")
	r.press("j\r")
	r.shows(second, "Esc back")
	r.press("q")
	r.ends()
}

// There is no live view where it was not asked for, or where nobody could see it.
func TestLiveNot(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		env  string
	}{
		"no-live":  {[]string{"--no-live"}, ""},
		"dumb":     {nil, "TERM=dumb"},
		"duration": {[]string{"-d", "1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startDemo(t)
			cmd := exec.Command(testprog.Memtrace(t), append(tc.args, "--exact", "-p", strconv.Itoa(p.Pid))...)
			if tc.env != "" {
				cmd.Args = append([]string{"env", tc.env}, cmd.Args...)
				cmd.Path, _ = exec.LookPath("env")
			}
			r := liveIn(t, cmd, 80, 24)
			r.shows("memtrace: tracing", "outstanding ")
			if name != "duration" {
				r.press("\x03") // the terminal makes a signal of it
			}
			if err := r.Wait(soon); err != nil {
				t.Fatal(err)
			}
			if written := r.Written(); strings.Contains(written, "\x1b[?1049h") || !strings.Contains(written, "Every call traced for") {
				t.Errorf("not as without a live view: %q", written)
			}
		})
	}
}
