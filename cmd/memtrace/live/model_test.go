package live

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"memtrace/tracer/report"
)

// text is the screen without styles.
func text(m *model) string { return ansi.Strip(strings.Join(m.screen(), "\n")) }

func wants(t *testing.T, m *model, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if got := text(m); !strings.Contains(got, part) {
			t.Fatalf("%q is not in\n%s", part, got)
		}
	}
}

// looked has the view take up what a look has shown that began just now.
func looked(m *model, list ...*report.Report) {
	m.begun++
	m.take(lookMsg{number: m.begun, reports: list})
}

// Since a mark the view shows what the report says of stacks, and by how much regions have grown. Of
// estimates the report does not say it.
func TestMark(t *testing.T) {
	m := shownAt(t, 100, 24, 5, one(exact))
	press(m, "m")
	looked(m, exact(6))
	later := exact(16)
	later.SinceMark = &report.Sum{Bytes: 3<<20 + 310<<10}
	later.Stacks[0].SinceMarkBytes, later.Stacks[1].SinceMarkBytes = 3<<20, 310<<10 // more than it grew: others were freed
	looked(m, later)
	wants(t, m, "since mark", "mark 10.0 s ago", " 3.0 MiB  ", " 310.0 KiB  ", " 0 B  ", "brk heap 6.0 MiB +3.1 MiB")
	press(m, "M")
	if strings.Contains(text(m), "since mark") {
		t.Error("the mark is still there")
	}

	m = shownAt(t, 100, 24, 5, one(sampled))
	press(m, "m")
	looked(m, sampled(6))
	wants(t, m, "since mark", "  unknown  ")
}

// What stacks are sorted by is shown.
func TestOrderIsShown(t *testing.T) {
	measured := func(n int) *report.Report {
		r := exact(n)
		s := &r.Stacks[0]
		s.GrowthBytesPerSecond, s.Survival, s.SinceMarkBytes, r.SinceMark = 7<<10, 0.25, 9<<10, &report.Sum{}
		s.PeakBytes, s.TemporaryBlocks, s.AllocatedBytes = 3<<30, 1234, 5<<10*uint64(n)
		s.Threads = []report.ThreadSum{{TID: 77, Name: "worker"}, {TID: 78}}
		return r
	}
	columns := map[string]string{
		"growth": "7.0 KiB/s", "survival": "25.0 %", "since mark": "9.0 KiB", "at the peak": "3.0 GiB", "temporary": "1,234",
		"allocates": "5.0 KiB/s", "thread": "worker (thread 77)",
	}
	for order, title := range map[string]string{
		"leak": "", "growth": "growth", "survival": "survival", "since-mark": "since mark", "peak": "at the peak", "temporary": "temporary",
		"rate": "allocates", "thread": "thread",
	} {
		m := shownAt(t, 120, 24, 2, one(measured))
		m.cfg.Sorts = []string{order}
		for other, figure := range columns {
			if got := strings.Contains(text(m), "  "+other+"  ") && strings.Contains(text(m), "  "+figure+"  "); got != (other == title) {
				t.Errorf("by %s %s is shown: %v\n%s", order, other, got, text(m))
			}
		}
	}
	m := shownAt(t, 120, 24, 2, one(sampled))
	m.cfg.Sorts = []string{"rate"}
	if strings.Contains(text(m), "allocates") {
		t.Errorf("of estimates it is shown how much they allocate:\n%s", text(m))
	}
}

// A sparkline has a gap where a look did not show the stack, and begins anew where figures became
// estimates.
func TestSparkline(t *testing.T) {
	s := &series{}
	for look, v := range []float64{0, 1, 2, 3} {
		s.add(look, float64(look), v, false)
	}
	if got := s.spark(4); got != "▁▃▆█" {
		t.Errorf("growth is %q", got)
	}
	s.add(6, 6, 0, false)
	if got := s.spark(10); got != "▁▃▆█  ▁" {
		t.Errorf("with a gap it is %q", got)
	}
	s.add(7, 7, 100, true)
	if got := s.spark(10); got != "▁" {
		t.Errorf("an estimate is %q", got)
	}
	uneven := &series{}
	for look, at := range []float64{0, 1, 2, 3, 4, 11} {
		uneven.add(look, at, 10*at, false)
	}
	if got := uneven.spark(6); got != "▁▂▄▅▇█" {
		t.Errorf("steady growth at uneven looks is %q", got)
	}
	flat := &series{}
	for look := range 100 {
		flat.add(look, float64(look), 1e6+float64(look%2), false)
	}
	if got := flat.spark(5); got != "▁▁▁▁▁" || len(flat.values) != looksKept {
		t.Errorf("hardly a change is %q, %d kept", got, len(flat.values))
	}
}

// A stack keeps its series where a report names another of those that look alike, and two that look
// alike have one each.
func TestSeriesOfStack(t *testing.T) {
	h := newHistory()
	r := exact(1)
	h.add(r)
	first := h.rows[0]
	r = exact(2)
	r.Stacks[0].ID = "77"
	h.add(r)
	if h.rows[0] != first || len(first.values) != 2 {
		t.Error("another ID is another stack")
	}
	r = exact(3)
	twin := r.Stacks[0]
	twin.ID, twin.Bytes = "78", 1
	r.Stacks = append(r.Stacks, twin)
	h.add(r)
	h.add(r)
	if h.rows[0] != first || h.rows[3] == first || h.rows[3].last() != 1 || first.last() != float64(r.Stacks[0].Bytes) {
		t.Error("two stacks share a series")
	}
}

// Looks come less often where they cost much, but one costly look alone changes nothing.
func TestInterval(t *testing.T) {
	for cost, want := range map[time.Duration]time.Duration{
		0: leastInterval, 5 * time.Millisecond: leastInterval, 30 * time.Millisecond: 3 * time.Second, time.Minute: mostInterval,
	} {
		if got := interval(cost); got != want {
			t.Errorf("after %v of work %v, want %v", cost, got, want)
		}
	}
	m := shownAt(t, 80, 24, 1, one(exact))
	for i, want := range []time.Duration{leastInterval, 10 * time.Second, leastInterval} {
		m.looked(lookMsg{reports: []*report.Report{exact(1)}, cost: []time.Duration{200, 100, 1}[i] * time.Millisecond})
		if m.every != want {
			t.Errorf("look %d: every %v, want %v", i, m.every, want)
		}
	}
	wants(t, shownAt(t, 80, 24, 1, one(exact)), "q quit")
	m.every = 10 * time.Second
	wants(t, m, "a look every 10.0 s")
}

// In a long list the selected stack is always on the screen, wherever frames are shown. Only what is
// on the screen gets names.
func TestLongList(t *testing.T) {
	named := 0
	long := func(n int) []*report.Report {
		r := exact(n)
		r.Stacks = nil
		for i := range 1000 {
			r.Stacks = append(r.Stacks, report.Stack{ID: fmt.Sprint(i), Kind: report.Heap, Bytes: uint64(2000 - i)})
		}
		r.Name = func(s *report.Stack) {
			named++
			s.Frames = through("site_"+s.ID, "main")
		}
		return []*report.Report{r}
	}
	m := shownAt(t, 80, 24, 2, long)
	selected := func(want string) {
		t.Helper()
		if i := strings.Index(text(m), "\n>"); i < 0 || !strings.HasPrefix(strings.TrimLeft(text(m)[i+2:], " "), want+" ") {
			t.Fatalf("not %s is selected:\n%s", want, text(m))
		}
	}
	selected("1")
	if named > 24 {
		t.Errorf("%d stacks were named for 24 lines", named)
	}
	for _, tc := range []struct{ key, want string }{
		{"end", "1000"}, {"up", "999"}, {"enter", "999"}, {"up", "998"}, {"home", "1"}, {"pgdown", "16"}, {"enter", "16"}, {"down", "17"},
	} {
		press(m, tc.key)
		selected(tc.want)
	}
	wants(t, m, "     main")
	press(m, "/", "7", "7", "7", "enter")
	selected("778")
	wants(t, m, "site_777")
}

// A pause leaves the screen as it is, and what was due does not come.
func TestPause(t *testing.T) {
	m := shownAt(t, 80, 24, 3, one(exact))
	due := dueMsg(m.due)
	press(m, "p")
	wants(t, m, "PAUSED")
	if _, cmd := m.Update(due); cmd != nil {
		t.Error("there is a look while the view is paused")
	}
	// Nor does one that began before, but what is asked for is shown.
	m = shownAt(t, 80, 24, 3, one(exact))
	m.cfg.Look = func(string) []*report.Report { return []*report.Report{exact(9)} }
	early := m.look()
	press(m, "p")
	before := text(m)
	if m.Update(early()); text(m) != before {
		t.Errorf("the view goes on while it is paused:\n%s", text(m))
	}
	press(m, "s")
	wants(t, m, "PAUSED", "exact for 9.0 s", "by size")
	press(m, "p")
	if m.paused || !m.looking && m.due == 0 {
		t.Error("the view does not go on")
	}
}

// A look that was under way when a mark was set began too early to set it. What is told of the mark
// may take its time.
func TestMarkWhileLooking(t *testing.T) {
	m := shownAt(t, 100, 24, 5, one(exact))
	told := false
	m.cfg.Mark = func() { told = true }
	m.cfg.Look = func(string) []*report.Report { return []*report.Report{exact(6)} }
	early := m.look()
	tell := m.setMark()
	if told {
		t.Error("the view waits for what is told of the mark")
	}
	if m.Update(tell()); !told {
		t.Error("nothing is told of the mark")
	}
	m.Update(early())
	if strings.Contains(text(m), "since mark") {
		t.Errorf("the look before the mark has set it:\n%s", text(m))
	}
	looked(m, exact(7))
	wants(t, m, "since mark", "mark 0 s ago")
}

// What becomes of a report is said, and a file that is there is left alone.
func TestSaved(t *testing.T) {
	m := shownAt(t, 80, 24, 3, one(exact))
	form, path := "", ""
	m.cfg.Save = func(f, p string) error { form, path = f, p; return errors.New("no space left") }
	press(m, "r", "tab", "enter")
	if form != "json" || !strings.HasPrefix(path, "memtrace-4242-") || !strings.HasSuffix(path, ".json") {
		t.Errorf("form %q to %q", form, path)
	}
	wants(t, m, "no space left")
	path = ""
	press(m, "r")
	m.prompt.text = "model_test.go"
	press(m, "enter")
	if path != "" {
		t.Error("a file that is there was to be written")
	}
	wants(t, m, "is there already")
	press(m, "r", "esc")
	if m.prompt != nil {
		t.Error("the prompt is still there")
	}
}

// The selected stack stays through looks, of a single process too.
func TestSelectionStays(t *testing.T) {
	m := shownAt(t, 80, 24, 2, one(exact))
	m.cfg.Color = false
	press(m, "down")
	m.take(lookMsg{reports: one(exact)(3)})
	if text := strings.Join(m.screen(), "\n"); !strings.Contains(text, ">2 ") {
		t.Errorf("%s", text)
	}
}
