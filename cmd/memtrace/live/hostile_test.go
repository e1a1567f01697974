package live

import (
	"strings"
	"testing"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"memtrace/tracer/report"
)

// A program chooses its names. They neither steer the terminal nor make a line too long, at any
// size.
func TestHostileNames(t *testing.T) {
	names := []string{
		"\x1b[2J\x1b]0;owned\a", "line\nbreak\r", "\u202egnp.exe", "\x00\x01\xff\xfe", "界面界面界面界面界面界面界面界面界面",
		strings.Repeat("a\u0301", 400), strings.Repeat("x", 70000), "👩‍👩‍👧‍👦👩‍👩‍👧‍👦", "operator<<\x9b31m",
	}
	hostile := func(n int) []*report.Report {
		r := exact(n)
		for i, name := range names {
			s := r.Stacks[0]
			s.ID, s.Frames = name, through(name, name)
			s.Frames[0].File, s.Frames[1].Module, s.Frames[1].File = name, "/tmp/"+name, ""
			s.Bytes += uint64(i)
			r.Stacks = append(r.Stacks, s)
		}
		r.Target.Command, r.Diagnosis.Answer, r.Diagnosis.Deadline.Text = names[0], strings.Join(names, " "), names[1]
		other := exact(n)
		other.Target.PID, other.Diagnosis.Answer = 5, names[0]+names[1]
		return []*report.Report{r, other}
	}
	for _, size := range [][2]int{{80, 24}, {20, 24}, {1, 1}, {3, 40}, {500, 60}, {80, 5}} {
		m := shownAt(t, size[0], size[1], 5, hostile)
		m.say(report.Escape(names[0]))
		checkSafe(t, m)
		for _, keys := range [][]string{{"enter"}, {"enter"}, {"down", "enter"}, {"end", "enter"}, {"/", "界", "\x1b[2J", "enter"}, {"esc"}, {"r"}} {
			press(m, keys...)
			checkSafe(t, m)
		}
	}
}

// checkSafe looks at every line of the screen.
func checkSafe(t *testing.T, m *model) {
	t.Helper()
	lines := m.screen()
	if len(lines) != m.height {
		t.Errorf("%d lines on a screen of %d", len(lines), m.height)
	}
	for _, line := range lines {
		for _, st := range []style{bold, dim, alarm, styleOff} {
			line = strings.ReplaceAll(line, string(st), "")
		}
		if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q is not for a terminal", line)
		}
		if n := ansi.StringWidth(line); n > m.width {
			t.Errorf("%d columns of %d: %q", n, m.width, line)
		}
	}
}

// A text that is cut in a wide character has no half of it.
func TestWideIsCut(t *testing.T) {
	for width, want := range map[int]string{0: "", 1: "…", 2: "…", 3: "界…", 4: "界…", 5: "界面…", 6: "界面会"} {
		l := &line{left: width}
		if got := l.add(plain, "界面会").String(); got != want {
			t.Errorf("%d columns: %q, want %q", width, got, want)
		}
	}
}
