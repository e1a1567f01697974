package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"memtrace/tracer"
	"memtrace/tracer/book"
	"memtrace/tracer/book/live"
	"memtrace/tracer/testsupport/terminal"
	"memtrace/tracer/testsupport/testprog"
)

// lines returns what stood in a line of a terminal at any time.
func lines(tty *terminal.Terminal) []string {
	text := strings.ReplaceAll(tty.Written(), clearLine, "\n")
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
}

// On a terminal a line tells how the trace is going: by events while every call is traced, by
// windows afterwards. Nothing is broken by the terminal's edge.
func TestProgress(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for _, tc := range []struct {
		program string
		width   int
		want    []string
	}{
		{"busy", 100, []string{" events  outstanding ", " blocks  lost "}},
		{"churn", 100, []string{" windows  ", " survivors  resident +", "  lost "}},
		{"churn", 36, []string{" windows  "}},
	} {
		t.Run(fmt.Sprint(tc.program, tc.width), func(t *testing.T) {
			p := testprog.Start(t, tc.program)
			p.Say("go")
			args := []string{"-p", strconv.Itoa(p.PID()), "-o", filepath.Join(t.TempDir(), "report")}
			if tc.program == "busy" {
				args = append(args, "--exact")
			}
			m := exec.Command(testprog.Memtrace(t), args...)
			tty := liveIn(t, m, tc.width, 25)
			shown := func() bool {
				for _, line := range lines(tty.Terminal) {
					all := true
					for _, part := range tc.want {
						all = all && strings.Contains(line, part)
					}
					if all {
						return true
					}
				}
				return false
			}
			for deadline := time.Now().Add(time.Minute); !shown(); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("no line has %q: %q", tc.want, tty.Written())
				}
			}
			for _, line := range lines(tty.Terminal) {
				if n := utf8.RuneCountInString(line); n > tc.width {
					t.Errorf("%d of %d columns: %q", n, tc.width, line)
				}
			}
		})
	}
}

// A message takes the place of the line, and does not go on in it.
func TestProgressGivesWay(t *testing.T) {
	var screen bytes.Buffer
	s, p := newSession(&options{}, &screen), &progress{w: &screen}
	s.log.under(p)
	for _, text := range []string{"first", "second"} {
		p.show(tracer.Status{})
		screen.Reset()
		s.log.message("the %s", text)
		if got, want := screen.String(), clearLine+"memtrace: the "+text+"\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	s.log.message("one more")
	if strings.Count(screen.String(), clearLine) != 1 {
		t.Errorf("%q: there was no line", screen.String())
	}
}

// What does not fit is left out, the last parts first.
func TestProgressLine(t *testing.T) {
	exact := tracer.Status{Totals: book.Totals{Events: 12345, Lost: 1, Live: live.Sum{Bytes: 3 << 20, Blocks: 5538}}}
	windows := tracer.Status{Totals: book.Totals{Windowed: true, Windows: 14, Survivors: 1204}, Resident: -(3 << 20)}
	for _, tc := range []struct {
		status tracer.Status
		width  int
		want   string
	}{
		{exact, 0, "1m12s  12,345 events  outstanding 3.0 MiB in 5,538 blocks  lost 1"},
		{exact, 66, "1m12s  12,345 events  outstanding 3.0 MiB in 5,538 blocks  lost 1"},
		{exact, 65, "1m12s  12,345 events  outstanding 3.0 MiB in 5,538 blocks"},
		{exact, 22, "1m12s  12,345 events"},
		{exact, 6, "1m12s"},
		{exact, 5, ""},
		{windows, 0, "1m12s  14 windows  1,204 survivors  resident -3.0 MiB  lost 0"},
	} {
		if got := progressLine(72*time.Second, tc.status, tc.width); got != tc.want {
			t.Errorf("width %d: %q, want %q", tc.width, got, tc.want)
		}
	}
}
