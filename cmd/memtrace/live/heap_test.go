package live

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"memtrace/tracer/report"
)

// heaped is exact with looks at the heap, the last one 4 s ago.
func heaped(n int) *report.Report {
	r := exact(n)
	group := func(size uint64, class string, holder report.HeapRoot) report.HeapOrigin {
		return report.HeapOrigin{HeapGrowth: report.HeapGrowth{Size: size, Class: class, Holder: holder, Came: 12, PerMinute: 596, Low: 535, High: 663}, Checked: 348}
	}
	sessions := group(136, report.HeapSteady, report.HeapRoot{Class: report.HeapGlobal, Name: "sessions", Module: "/usr/sbin/sessiond"})
	sessions.Shape, sessions.Depth, sessions.Traced = "list", 499, 348
	sessions.AllocatedBy = []report.HeapSource{{ID: "02", Blocks: 348, Frames: r.Stacks[1].Frames}}
	lost := group(88, report.HeapUnknown, report.HeapRoot{Class: report.HeapUnreached})
	r.Heap = &report.HeapBeside{
		Looks: 9, End: r.End.Add(-4 * time.Second), DurationSeconds: 40, InUse: report.HeapSum{Blocks: 1499, Bytes: 191 << 10},
		Growing: []report.HeapOrigin{sessions, lost}, GrowingTotal: 2,
	}
	return r
}

// textOf is what the screen says.
func textOf(m *model) string { return ansi.Strip(strings.Join(m.screen(), "\n")) }

// H lists what grows in the heap with the age of the look, and goes back; so does Esc.
func TestHeapIsListed(t *testing.T) {
	m := shownAt(t, 80, 24, 5, one(heaped))
	m.cfg.Look = func(string) []*report.Report { return one(heaped)(6) }
	const line = "heap: 2 groups grow (H lists them), by look 9, 4.0 s ago"
	if text := textOf(m); !strings.Contains(text, line) || strings.Contains(text, "held by") {
		t.Errorf("%s", text)
	}
	for _, back := range []string{"H", "esc", "s", "/"} {
		press(m, "H")
		m.take(lookMsg{reports: one(heaped)(6)}) // it stays
		text := textOf(m)
		for _, part := range []string{"What grows in the heap, by look 9, 4.0 s ago", "136 B  ~596/min [535 - 663]  steady", "held by global sessions", "allocated by #2 (copy_name copy_name.c:7): 348 of 348 blocks", "88 B", "unreachable"} {
			if !strings.Contains(text, part) {
				t.Errorf("it lacks %q: %s", part, text)
			}
		}
		if strings.Contains(text, line) || strings.Contains(text, "function < caller") {
			t.Errorf("the stacks are there as well: %s", text)
		}
		if press(m, back); m.heap || !strings.Contains(textOf(m), "function < caller") {
			t.Errorf("%s does not go back: %s", back, textOf(m))
		}
		press(m, "esc")
	}
}

// Where there is nothing to list, it is said why.
func TestHeapIsNotListed(t *testing.T) {
	for want, h := range map[string]*report.HeapBeside{
		"heap: not looked at yet":                       {},
		"heap: not looked at: only glibc":               {Unread: "only glibc"},
		"heap: what grows shows from the third look on": {Looks: 2},
		"heap: 0 groups grow":                           {Looks: 3},
	} {
		m := shownAt(t, 80, 24, 1, func(n int) []*report.Report { r := exact(n); r.Heap = h; return []*report.Report{r} })
		if text := textOf(m); !strings.Contains(text, want) {
			t.Errorf("it lacks %q: %s", want, text)
		}
	}
	m := shownAt(t, 80, 24, 1, one(exact))
	if press(m, "H"); m.heap || !strings.Contains(textOf(m), "the heap is looked at with --heap") || strings.Contains(textOf(m), "heap: ") {
		t.Errorf("%s", textOf(m))
	}
	m = shownAt(t, 80, 24, 1, func(n int) []*report.Report {
		other := heaped(n)
		other.Target.PID = 5
		return []*report.Report{heaped(n), other}
	})
	if press(m, "H"); m.heap || !strings.Contains(textOf(m), "Enter shows one") {
		t.Errorf("%s", textOf(m))
	}
	if press(m, "enter", "H"); !m.heap || !strings.Contains(textOf(m), "held by global sessions") {
		t.Errorf("%s", textOf(m))
	}
	if press(m, "esc", "esc"); m.heap || m.shown() != nil {
		t.Errorf("%s", textOf(m))
	}
}

// A list that is longer than the screen scrolls, and no further than its end.
func TestHeapScrolls(t *testing.T) {
	long := func(n int) []*report.Report {
		r := heaped(n)
		for range 5 {
			r.Heap.Growing = append(r.Heap.Growing, r.Heap.Growing...)
		}
		r.Heap.Growing[len(r.Heap.Growing)-1].Kind = "LastOne"
		r.Heap.GrowingTotal = len(r.Heap.Growing)
		return []*report.Report{r}
	}
	m := shownAt(t, 80, 24, 2, long)
	if press(m, "H", "down"); m.heapTop != 1 || strings.Contains(textOf(m), "Heap: ") {
		t.Errorf("line %d: %s", m.heapTop, textOf(m))
	}
	if press(m, "end"); !strings.Contains(textOf(m), "LastOne") {
		t.Errorf("%s", textOf(m))
	}
	if press(m, "up", "pgdown", "enter", "home"); m.heapTop != 0 || !strings.Contains(textOf(m), "Heap: 9 looks") || len(m.open) > 0 {
		t.Errorf("line %d: %s", m.heapTop, textOf(m))
	}
}

// What is in a heap neither steers the terminal nor makes a line too long.
func TestHostileHeap(t *testing.T) {
	names := []string{"\x1b[2J\x1b]0;owned\a", "line\nbreak\r", "\u202egnp.exe", strings.Repeat("界", 400), strings.Repeat("x", 70000), "\xff\x9b31m"}
	hostile := func(n int) []*report.Report {
		r := heaped(n)
		r.Heap.Unread, r.Heap.Notes = names[0], names
		for _, name := range names {
			g := r.Heap.Growing[0]
			g.Kind, g.Holder.Name, g.Holder.Module = name, name, name
			g.AllocatedBy = []report.HeapSource{{ID: name, Frames: through(name, name)}}
			r.Heap.Growing = append(r.Heap.Growing, g)
		}
		other := heaped(n)
		other.Target.PID, other.Heap = 5, &report.HeapBeside{Unread: names[0]}
		return []*report.Report{r, other}
	}
	for _, size := range [][2]int{{80, 24}, {20, 24}, {1, 1}, {3, 40}, {500, 60}, {80, 5}} {
		for _, keys := range [][]string{{"enter"}, {"down", "enter"}} {
			m := shownAt(t, size[0], size[1], 2, hostile)
			press(m, keys...)
			checkSafe(t, m)
			for _, key := range []string{"H", "down", "end", "pgdown", "home"} {
				press(m, key)
				checkSafe(t, m)
			}
		}
	}
}
