package live

import (
	"math/rand/v2"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"memtrace/tracer/report"
)

// start is when the traces of the tests began.
var start = time.Date(2026, 3, 1, 3, 12, 5, 0, time.UTC)

func frame(function, file string, line int) report.Frame {
	return report.Frame{Address: 0x55d0c1f2ac3f, Function: function, Module: "/usr/sbin/sessiond", Offset: 0x1c3f, File: file, Line: line}
}

func libc() report.Frame {
	return report.Frame{Address: 0x7f0a100461ca, Function: "__libc_start_call_main", Module: "/usr/lib/libc.so.6", Offset: 0x271ca, Library: true}
}

func through(functions ...string) (frames []report.Frame) {
	for i, f := range functions {
		frames = append(frames, frame(f, "/build/sessiond/src/"+f+".c", 10*i+7))
	}
	return append(frames, libc())
}

// exact is a report after so many seconds of a process that leaks, is losing nothing, and fills a
// cache.
func exact(seconds int) *report.Report {
	n := uint64(seconds)
	grown := 288<<10*n + 31<<10*n
	return &report.Report{
		Target: report.Target{PID: 4242, Command: "sessiond", Exe: "/usr/sbin/sessiond"},
		Start:  start, End: start.Add(time.Duration(seconds) * time.Second), DurationSeconds: float64(seconds),
		Mode: report.ModeExact, Complete: true, Overhead: 0.0042,
		Stacks: []report.Stack{
			{
				ID: "01", Kind: report.Heap, Bytes: 288 << 10 * n, Blocks: 288 * n, Class: report.ClassLeak, LeakBytesPerSecond: 288 << 10,
				Frames: through("make_session", "handle_request", "main"),
			},
			{
				ID: "02", Kind: report.Heap, Bytes: 31 << 10 * n, Blocks: 288 * n, Class: report.ClassLeak, LeakBytesPerSecond: 31 << 10,
				Frames: through("copy_name", "make_session", "handle_request", "main"),
			},
			{
				ID: "03", Kind: report.Heap, Bytes: 128 << 10, Blocks: 64, Class: report.ClassFilled,
				Frames: through("fill_cache", "handle_request", "main"),
			},
		},
		StacksTotal: 3,
		Diagnosis: &report.Diagnosis{
			Answer:   "sessiond (pid 4242) leaks 319.0 KiB/s: all in make_session < handle_request (make_session.c:7)",
			Findings: []report.Finding{{Kind: report.Leak, BytesPerSecond: report.Bounds{Value: 319 << 10}}},
			Deadline: &report.Deadline{Text: "the machine's 23.5 GiB are full in 15 h (11 h to 18 h)"},
		},
		Memory: &report.Memory{
			ResidentKnown: true, ResidentBytes: 9<<20 + grown,
			Regions: []report.Region{
				{Class: "text", ResidentBytes: 1 << 20},
				{Class: "brk", ResidentBytes: 1<<20 + grown},
				{Class: "arena", ResidentBytes: 0},
				{Class: "mmap", ResidentBytes: 2 << 20},
			},
		},
	}
}

// sampled is a report of a process that is watched in windows of time.
func sampled(seconds int) *report.Report {
	r := exact(seconds)
	r.Mode, r.Overhead = report.ModeWindows, 0.029
	r.Sampling = &report.Sampling{Windows: 14 * seconds, TracedSeconds: 0.02 * float64(seconds), Overhead: 0.029}
	noise := rand.New(rand.NewPCG(1, uint64(seconds)))
	for i := range r.Stacks {
		s := &r.Stacks[i]
		value := 300 << 10 / float64(i+1) * (0.9 + 0.2*noise.Float64())
		s.Estimate = &report.Estimate{
			Class: []string{"leak", "active leak", "possible leak"}[i], Survivors: report.Sum{Blocks: uint64(40 * seconds)},
			LeakBytesPerSecond: report.Bounds{Value: value, Low: value * 0.8, High: value * 1.3},
		}
		s.Class, s.Bytes, s.Blocks, s.LeakBytesPerSecond = "", 0, 0, 0
	}
	return r
}

// shownAt is a view of so many looks, of a size.
func shownAt(t *testing.T, width, height, looks int, make func(int) []*report.Report) *model {
	t.Helper()
	m := newModel(Config{
		Color: true, Sorts: []string{"leak", "size"}, Forms: []string{"text", "json", "pprof"},
		Look: func(string) []*report.Report { return nil },
		Save: func(string, string) error { return nil },
	})
	m.work = func(f func() tea.Msg) tea.Cmd { return f }
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	for i := range looks {
		m.used, m.load = 0, 0
		m.take(lookMsg{reports: make(i + 1)})
		m.load = 0.008
	}
	return m
}

func one(make func(int) *report.Report) func(int) []*report.Report {
	return func(n int) []*report.Report { return []*report.Report{make(n)} }
}

// press presses keys by their names. What they start is done at once.
func press(m *model, names ...string) {
	for _, name := range names {
		msg := tea.KeyPressMsg{Text: name}
		if r := []rune(name); len(r) == 1 {
			msg.Code = r[0]
		} else {
			msg.Text, msg.Code = "", map[string]rune{
				"enter": tea.KeyEnter, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown, "tab": tea.KeyTab,
				"home": tea.KeyHome, "end": tea.KeyEnd, "backspace": tea.KeyBackspace, "pgdown": tea.KeyPgDown,
			}[name]
		}
		_, cmd := m.Update(msg)
		if cmd != nil {
			m.Update(cmd())
		}
	}
}
