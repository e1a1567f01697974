package report

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// leaking is a report of a process that leaks this much in a second at a site, loaded at base.
func leaking(pid int, rate float64, base uint64, class StackClass) *Report {
	r := fixture()
	r.Target.PID = pid
	frames := []Frame{
		sessiond("make_session", 0x1c3f, "/build/sessiond/src/session.c", 142),
		{Address: 0x1a10, Module: "/usr/sbin/sessiond", Offset: 0x1a10},
		libcStart(),
	}
	for i := range frames {
		frames[i].Address += base
	}
	r.Stacks = []Stack{{
		ID: fmt.Sprintf("%x", pid), Kind: Heap, Bytes: 1 << 20, Blocks: 1024, AllocatedBytes: 1 << 20, AllocatedBlocks: 1024,
		Survival: 1, OldestSeconds: 29, YoungestSeconds: 1, Class: class, LeakBytesPerSecond: rate, Frames: frames,
	}}
	r.StacksTotal, r.Outstanding = 1, Sum{1 << 20, 1024}
	text := "leaks " + Rate(rate) + ": all in make_session < sessiond+0x1a10 (session.c:142)"
	r.Diagnosis = diagnosisOf(r, Finding{
		Kind: Leak, Confidence: "certain", BytesPerSecond: Bounds{rate, rate, rate}, Bytes: 1 << 20, Text: text, Next: "Free what make_session makes.",
	})
	return r
}

func diagnosisOf(r *Report, f Finding) *Diagnosis {
	return &Diagnosis{
		Answer:   fmt.Sprintf("%s (pid %d) %s", r.Target.Command, r.Target.PID, f.Text),
		Findings: []Finding{f},
		Accounts: []Account{{Kind: "heap", Label: "malloc's heaps", GrewBytes: 1 << 20, Terms: []AccountTerm{{
			Kind: TermLeaks, Label: "stacks that leak", Known: true, Bytes: 1 << 20, Percent: 100,
		}}}},
	}
}

// quiet is a report of a process of which this is found, and that it does not grow.
func quiet(pid int, kind FindingKind, text string) *Report {
	r := fixture()
	r.Target.PID = pid
	r.Diagnosis = diagnosisOf(r, Finding{Kind: kind, Text: text})
	if kind == Children {
		r.Diagnosis.Findings[0].BytesPerSecond.Value = 1e9
	}
	return r
}

func several() []*Report {
	return []*Report{
		quiet(101, Nothing, "does not grow: in 30.0 s no stack kept adding memory"),
		leaking(102, 20<<10, 0x1000, ClassLeak),
		quiet(103, Held, "was stopped: what it does when it runs is unknown"),
		leaking(104, 300<<10, 0x55000, ClassLeak),
		leaking(105, 10<<10, 0x1000, ClassPossible),
		quiet(106, Children, "does not grow; it has 1 child that grows by 953.7 MiB/s: pid 102"),
		quiet(107, CacheFills, "does not grow any more: 1.0 MiB were allocated and stay, all in fill"),
	}
}

func severalText(t *testing.T, list []*Report, opt TextOptions) string {
	t.Helper()
	var buf bytes.Buffer
	if err := TextSeveral(&buf, list, opt); err != nil {
		t.Fatal(err)
	}
	checkLines(t, buf.String(), max(opt.Width, minWidth))
	return buf.String()
}

func TestGoldenSeveral(t *testing.T) {
	golden(t, "several.txt", []byte(severalText(t, several(), TextOptions{Width: 100})))
	golden(t, "several-terminal.txt", []byte(severalText(t, several(), TextOptions{Width: 80, Height: 23})))
	golden(t, "several-nothing-shared.txt", []byte(severalText(t, several()[:3], TextOptions{Width: 80})))
}

// What grows comes first, then what may matter, and last what does not.
func TestWorstFirst(t *testing.T) {
	var got []int
	list := several()
	for _, r := range WorstFirst(list) {
		got = append(got, r.Target.PID)
	}
	if want := []int{104, 102, 105, 106, 107, 103, 101}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if list[0].Target.PID != 101 {
		t.Error("the caller's list was sorted")
	}
}

// Frames are the same wherever they are loaded, and another line or offset is another stack.
// What one process has twice is not shared.
func TestSharedStacks(t *testing.T) {
	a, b, c := leaking(1, 100, 0, ClassLeak), leaking(2, 50, 0x7000, ClassPossible), leaking(3, 7, 0, ClassFilled)
	for _, tc := range []struct {
		what   string
		list   []*Report
		change func()
		shared int
	}{
		{"one process", []*Report{a}, nil, 0},
		{"twice in one", []*Report{a, c}, func() { a.Stacks = append(a.Stacks, a.Stacks[0]) }, 0},
		{"does not leak", []*Report{b, c}, nil, 0},
		{"two", []*Report{a, b, c}, nil, 1},
		{"another offset", []*Report{a, b, c}, func() { b.Stacks[0].Frames[1].Offset++ }, 0},
	} {
		if tc.change != nil {
			tc.change()
		}
		got := sharedStacks(tc.list)
		if len(got) != tc.shared {
			t.Errorf("%s: %d shared stacks, want %d", tc.what, len(got), tc.shared)
		}
		if len(got) == 0 {
			continue
		}
		// a has it twice, once by the change above.
		if s := got[0]; s.rate.Value != 250 || s.sum.Blocks != 3*1024 || !slices.Equal(s.pids, []int{1, 2}) || s.verb() != "leak or may leak " || s.report != 0 {
			t.Errorf("%s: %+v", tc.what, s)
		}
	}
}

// On a terminal all of it fits, however many processes there are and whatever they are like.
func TestSeveralFits(t *testing.T) {
	const height = 23
	many := several()
	for _, r := range fixtures() {
		many = append(many, r)
	}
	for n := 2; n <= len(many); n++ {
		text := severalText(t, many[:n], TextOptions{Width: 80, Height: height})
		if lines := strings.Count(text, "\n"); lines > height {
			t.Errorf("%d processes: %d lines", n, lines)
		}
		if want := fmt.Sprintf("%d more report", n-1); !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if err := TextSeveral(brokenWriter{}, many, TextOptions{}); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}
