package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/diagnose"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/terminal"
	"memtrace/tracer/testsupport/testprog"
)

// soon is how long the tests wait for what must appear on a screen.
const soon = time.Minute

// startDemo starts a program that leaks, as make demo does.
func startDemo(t *testing.T) *os.Process {
	t.Helper()
	text, err := os.ReadFile("testdata/demo.c")
	if err != nil {
		t.Fatal(err)
	}
	built := testprog.BuildText(t, map[string]string{"demo.c": "// build: gcc -g -O2\n" + string(text)})
	cmd := exec.Command(filepath.Join(built, "demo"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	return cmd.Process
}

// liveRun is a memtrace in a terminal of its own.
type liveRun struct {
	*terminal.Terminal
	t   *testing.T
	cmd *exec.Cmd
}

func startLive(t *testing.T, columns, rows int, args ...string) *liveRun {
	t.Helper()
	cmd := exec.Command(testprog.Memtrace(t), args...)
	cmd.Dir = t.TempDir()
	return liveIn(t, cmd, columns, rows)
}

func liveIn(t *testing.T, cmd *exec.Cmd, columns, rows int) *liveRun {
	t.Helper()
	tty, err := terminal.Start(cmd, columns, rows)
	if err != nil {
		testprog.Missing(t, "there are no pseudo-terminals: "+err.Error())
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = tty.HangUp() })
	return &liveRun{Terminal: tty, t: t, cmd: cmd}
}

// shows waits until all of the texts are on the screen.
func (r *liveRun) shows(texts ...string) {
	r.t.Helper()
	r.until(fmt.Sprintf("%q", texts), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

func (r *liveRun) until(what string, is func(screen string) bool) {
	r.t.Helper()
	if err := r.WaitFor(soon, what, is); err != nil {
		r.t.Fatal(err)
	}
}

func (r *liveRun) press(keys string) {
	r.t.Helper()
	if err := r.Type(keys); err != nil {
		r.t.Fatal(err)
	}
}

// ends waits for the end of memtrace, and for the report on the usual screen.
func (r *liveRun) ends() {
	r.t.Helper()
	if err := r.Wait(soon); err != nil {
		r.t.Fatalf("%v\n%s", err, r.Text())
	}
	if text := r.Text(); !strings.Contains(text, "Every call traced for") || strings.Contains(text, "q quit") {
		r.t.Errorf("the screen is not that of a report at the end:\n%s", text)
	}
	if written := r.Written(); !strings.Contains(written, "\x1b[?1049l") {
		r.t.Error("the usual screen was not asked for")
	}
}

// On a terminal there is a live view, and every key does what it is for.
func TestLive(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	t.Parallel()
	p := startDemo(t)
	r := startLive(t, 80, 24, "--exact", "-p", strconv.Itoa(p.Pid))
	// The answer comes first, and the stack that leaks is the first one.
	r.shows("looks", "function < caller", "q quit")
	r.until("an answer", func(screen string) bool {
		return strings.HasPrefix(screen, "demo (pid ") && strings.Contains(screen, " leaks ") && strings.Contains(screen, ">1  leaks")
	})
	r.shows("exact for", "nothing lost", "cost unknown", "brk heap", "▁", "make_session", "handle_request", "/demo.c:26")

	r.press("?")
	r.shows("forget the mark", "The bars are the last looks")
	r.press("x")
	r.until("the stacks", func(screen string) bool { return !strings.Contains(screen, "The bars are") })

	r.press("j\r")
	r.shows(">2", "     handle_request")
	r.press("\x1b[A") // up
	r.shows(">1")
	r.press("G")
	r.press("g")
	r.shows(">1")

	r.press("s")
	r.shows("by size")
	temporary := slices.Index(diagnose.Orders, diagnose.ByTemporary)
	r.press(strings.Repeat("s", temporary-1))
	r.shows("by temporary")
	r.press(strings.Repeat("s", len(diagnose.Orders)-temporary))
	r.until("the first order", func(screen string) bool { return !strings.Contains(screen, "by s") })

	r.press("/NO_SUCH")
	r.shows("filter (function or module): NO_SUCH", `goes through "NO_SUCH"`)
	r.press("\x15HANDLE_\r")
	r.shows(`filter "HANDLE_"`, ">1")
	r.press("\x1b") // Esc
	r.until("no filter", func(screen string) bool { return !strings.Contains(screen, "filter \"") })

	r.press("p")
	r.shows("PAUSED")
	// A look that was asked for before may still come. Looks that go on show the seconds pass.
	paused, since := r.Text(), time.Now()
	r.until("a view that stands still", func(screen string) bool {
		if screen != paused {
			paused, since = screen, time.Now()
		}
		return time.Since(since) > 1500*time.Millisecond
	})
	r.press("p")
	r.until("the view going on", func(screen string) bool { return !strings.Contains(screen, "PAUSED") })

	r.press("m")
	r.shows("mark 1") // for some seconds
	r.shows("since mark")
	r.press("\x0c") // takes the message away
	r.shows("mark ", " ago")
	r.until("growth since the mark", func(screen string) bool { return strings.Contains(screen, "KiB  ▁") || strings.Contains(screen, "+") })
	r.press("M")
	r.until("no mark", func(screen string) bool { return !strings.Contains(screen, "since mark") })

	savesReports(t, r)
	r.press("\x0c")
	resizes(t, r)
	// Ctrl-Z leaves the view as it is where no shell could have memtrace continue.
	r.press("\x1a?")
	r.shows("forget the mark")
	r.press("x")
	// Whoever else stops it, the whole view is shown afterwards. For a second after Ctrl-Z what
	// continues it counts as the end of that.
	time.Sleep(1500 * time.Millisecond)
	_ = r.cmd.Process.Signal(unix.SIGSTOP)
	time.Sleep(time.Second)
	before := len(r.Written())
	_ = r.cmd.Process.Signal(unix.SIGCONT)
	r.until("the view as a whole", func(screen string) bool {
		return strings.Contains(r.Written()[before:], "\x1b[?1049h") && strings.Contains(screen, "function < caller")
	})
	r.shows("memtrace was stopped for")

	r.press("q")
	r.ends()
	checkUnprobed(t, p.Pid)
}

// savesReports has the view write reports, of which it says so.
func savesReports(t *testing.T, r *liveRun) {
	t.Helper()
	for i, form := range report.Names() {
		r.press("r")
		r.shows("report as text")
		r.press(strings.Repeat("\t", i))
		r.shows("report as " + form)
		r.press("\x15now." + form + "\r")
		r.shows("written: now." + form)
		text, err := os.ReadFile(filepath.Join(r.cmd.Dir, "now."+form))
		if err != nil || len(text) == 0 {
			t.Errorf("%d bytes, %v", len(text), err)
		}
		if want := map[string]string{"text": "make_session", "json": `"schema"`, "folded": "handle_request;make_session"}[form]; want != "" && !strings.Contains(string(text), want) {
			t.Errorf("the %s report has no %s:\n%s", form, want, text)
		}
	}
	r.press("r\x15now.json\r")
	r.shows("not written: now.json is there already")
	r.press("r\x15none/now\r")
	r.shows("no such file or directory")
}

// resizes gives the terminal other sizes. Nothing is wider than the screen: that would break a line
// in two.
func resizes(t *testing.T, r *liveRun) {
	t.Helper()
	for _, size := range []struct {
		columns, rows int
		want          []string
	}{
		{20, 24, []string{"demo (pid", "q quit", ">"}},
		{500, 24, []string{"make_session < handle_request  demo.c:26", "? help"}},
		{80, 5, []string{"demo (pid", "exact for", "q quit"}},
		{80, 1, []string{"demo (pid"}},
		{80, 24, []string{"function < caller", "q quit"}},
	} {
		if err := r.Resize(size.columns, size.rows); err != nil {
			t.Fatal(err)
		}
		r.until(fmt.Sprintf("%q in %d columns and %d rows", size.want, size.columns, size.rows), func(screen string) bool {
			for _, text := range size.want {
				if !strings.Contains(screen, text) {
					return false
				}
			}
			return strings.HasPrefix(screen, "demo (pid")
		})
	}
}
