package scenarios

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
)

// rightReport is a report that says of a program what is true: leak_here leaks 1000 B.
func rightReport() *report.Report {
	leak := report.Frame{Function: "leak_here", Module: "/bin/program"}
	return &report.Report{
		Target:          report.Target{PID: 1, Command: "program", Allocator: "glibc"},
		DurationSeconds: 1, Mode: report.ModeExact,
		Stacks: []report.Stack{{ID: "1", Kind: report.Heap, Bytes: 1000, Blocks: 1, Frames: []report.Frame{leak}}},
		Diagnosis: &report.Diagnosis{
			Answer:   "leak_here leaks 1000 B/s",
			Findings: []report.Finding{{Kind: report.Leak, Confidence: "certain", BytesPerSecond: report.Bounds{Value: 1000, Low: 1000, High: 1000}, Stacks: []string{"1"}, Culprit: &leak}},
			Accounts: []report.Account{{Kind: "heap", GrewBytes: 1100, Terms: []report.AccountTerm{
				{Kind: report.TermLeaks, Known: true, Bytes: 900},
				{Kind: report.TermPossible, Known: true, Bytes: 100},
				{Kind: report.TermRest, Known: true, Bytes: 100},
			}}},
		},
	}
}

// text is what a text form of the report may look like.
func text(r *report.Report) string {
	if r.Diagnosis == nil {
		return ""
	}
	return r.Diagnosis.Answer + "\n\nmore\n"
}

func TestJudge(t *testing.T) {
	isLeak := func() *expected {
		return &expected{kinds: []report.FindingKind{report.Leak}, culprit: "leak_here", never: "cache_fill"}
	}
	type change func(*expected, *report.Report, *amount)
	for _, tc := range []struct {
		name, want string // want is a part of the faults, or empty for none
		change     change
	}{
		{"right", "", func(*expected, *report.Report, *amount) {}},
		{"another of the kinds", "", func(e *expected, _ *report.Report, _ *amount) {
			e.kinds = []report.FindingKind{report.ActiveLeak, report.Leak}
		}},
		{"no diagnosis", "no diagnosis", func(_ *expected, r *report.Report, _ *amount) { r.Diagnosis = nil }},
		{"no finding", "no diagnosis", func(_ *expected, r *report.Report, _ *amount) { r.Diagnosis.Findings = nil }},
		{"wrong kind", "kind keeps_free, want leak", func(_ *expected, r *report.Report, _ *amount) {
			r.Diagnosis.Findings[0].Kind = report.KeepsFree
		}},
		{"the right finding second", "kind nothing, want leak", func(_ *expected, r *report.Report, _ *amount) {
			r.Diagnosis.Findings = append([]report.Finding{{Kind: report.Nothing}}, r.Diagnosis.Findings...)
		}},
		{"missing culprit", "does not say", func(_ *expected, r *report.Report, _ *amount) {
			r.Diagnosis.Answer = "#1 leaks 1000 B/s"
		}},
		{"another one named too", `says "cache_fill"`, func(_ *expected, r *report.Report, _ *amount) {
			r.Diagnosis.Answer = "leak_here and cache_fill leak"
		}},
		{"culprit far down", "not in the first 24 lines", func(_ *expected, r *report.Report, _ *amount) {
			r.Diagnosis.Answer = strings.Repeat("word\n", topLines) + "leak_here"
		}},
		{"culprit in the last of the first lines", "", func(_ *expected, r *report.Report, _ *amount) {
			r.Diagnosis.Answer = strings.Repeat("word\n", topLines-1) + "leak_here"
		}},
		{"sum too small", "900 B down to leaks, 1200 B", func(_ *expected, r *report.Report, a *amount) {
			r.Diagnosis.Accounts[0].Terms[1].Bytes = 0
			*a = amount{1200, 1200}
		}},
		{"sum too large", "1000 B down to leaks, 800 B", func(_ *expected, _ *report.Report, a *amount) { *a = amount{800, 800} }},
		{"sum within tolerance", "", func(_ *expected, _ *report.Report, a *amount) { *a = amount{950, 950} }},
		{"sum within a tolerance of its own", "", func(e *expected, _ *report.Report, a *amount) {
			e.tolerance, *a = 0.3, amount{800, 800}
		}},
		{"without the overhead of glibc", "1000 B down to leaks, 1500 B", func(_ *expected, _ *report.Report, a *amount) {
			*a = amount{1000, 1500}
		}},
		{"without the overhead of another", "", func(_ *expected, r *report.Report, a *amount) {
			r.Target.Allocator, *a = "jemalloc", amount{1000, 1500}
		}},
		{"a program that does nothing", "nothing has leaked", func(_ *expected, _ *report.Report, a *amount) { *a = amount{} }},
		{"uncounted", "", func(e *expected, _ *report.Report, a *amount) { e.uncounted, *a = true, amount{} }},
		{"false alarm", "something is said to leak", func(e *expected, r *report.Report, _ *amount) {
			e.kinds = []report.FindingKind{report.Nothing}
			r.Diagnosis.Findings = append([]report.Finding{{Kind: report.Nothing}}, r.Diagnosis.Findings...)
		}},
		{"the same where something does leak", "", func(e *expected, r *report.Report, _ *amount) {
			e.kinds, e.mayLeak = []report.FindingKind{report.Nothing}, true
			r.Diagnosis.Findings = append([]report.Finding{{Kind: report.Nothing}}, r.Diagnosis.Findings...)
		}},
		{"rate", "", func(e *expected, _ *report.Report, _ *amount) { e.rateTolerance = 0.2 }},
		{"rate too large", "growth of 1000 [1000 - 1000] B/s, 500 B/s", func(e *expected, _ *report.Report, a *amount) {
			e.uncounted, e.rateTolerance, *a = true, 0.2, amount{500, 500}
		}},
		{"estimate", "", func(_ *expected, r *report.Report, a *amount) { r.Mode, a.taken = report.ModeWindows, 1200 }},
		{"estimate too small", "1000 B down to leaks, 1500 B", func(_ *expected, r *report.Report, a *amount) {
			r.Mode, a.taken = report.ModeWindows, 1500
		}},
		{"truth out of bounds", "growth of 300 [200 - 400] B/s, 900 B/s", func(_ *expected, r *report.Report, _ *amount) {
			r.Mode = report.ModeWindows
			r.Diagnosis.Findings[0].BytesPerSecond = report.Bounds{Value: 300, Low: 200, High: 400}
		}},
		{"traced though it cannot be", "want a refusal", func(e *expected, _ *report.Report, _ *amount) { e.refused = "no allocator" }},
		{"what else must hold", "too few", func(e *expected, _ *report.Report, _ *amount) {
			e.also = func(*report.Report) string { return "too few" }
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, r, leaked := isLeak(), rightReport(), amount{900, 1000}
			tc.change(e, r, &leaked)
			o := judge(tc.name, e, r, text(r), leaked)
			got := strings.Join(o.faults, "; ")
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("faults %q, want %q", got, tc.want)
			}
			if o.failed() != (tc.want != "") {
				t.Errorf("failed is %v with %q", o.failed(), got)
			}
		})
	}
}

func TestJudgeRefusal(t *testing.T) {
	for _, tc := range []struct {
		refused string
		failed  bool
	}{{"no allocator", false}, {"no such process", true}, {"", true}} {
		o := judgeRefusal("refused", &expected{refused: tc.refused}, "a note\nmemtrace: no allocator found\n")
		if o.failed() != tc.failed || o.answer != "memtrace: no allocator found" {
			t.Errorf("%q: failed is %v, the answer %q", tc.refused, o.failed(), o.answer)
		}
	}
}

func TestTextBegins(t *testing.T) {
	e, r := &expected{kinds: []report.FindingKind{report.Leak}, culprit: "leak_here"}, rightReport()
	for _, tc := range []struct {
		text   string
		failed bool
	}{
		{"leak_here leaks\n  1000 B/s\n", false},
		{"traced 1 s\nleak_here leaks 1000 B/s\n", true},
	} {
		if o := judge("text", e, r, tc.text, amount{1000, 1000}); o.failed() != tc.failed {
			t.Errorf("%q: %s", tc.text, o.verdict())
		}
	}
}

// A mark for what does not work yet must not outlive that.
func TestPending(t *testing.T) {
	e := &expected{kinds: []report.FindingKind{report.Leak}, culprit: "leak_here", pending: "not there yet"}
	if o := judge("holds", e, rightReport(), text(rightReport()), amount{1000, 1000}); !o.failed() || o.verdict() != "FAIL: holds, though pending" {
		t.Errorf("a pending row that holds: %q", o.verdict())
	}
	if o := judge("does not", e, rightReport(), text(rightReport()), amount{5000, 5000}); o.failed() || o.verdict() != "pending: not there yet" {
		t.Errorf("a pending row that does not hold: %q", o.verdict())
	}
	e.unsteady = true
	for name, amount := range map[string]amount{"holds by chance": {1000, 1000}, "does not": {5000, 5000}} {
		if o := judge(name, e, rightReport(), text(rightReport()), amount); o.failed() {
			t.Errorf("an unsteady row: %q", o.verdict())
		}
	}
	e.culprit = "leak_elsewhere"
	if o := judge("blames another", e, rightReport(), text(rightReport()), amount{1000, 1000}); !o.failed() || !strings.HasPrefix(o.verdict(), "FAIL: ") {
		t.Errorf("an unsteady row that blames another: %q", o.verdict())
	}
}

func TestTable(t *testing.T) {
	right := judge("right", &expected{truth: "a|b", kinds: []report.FindingKind{report.Leak}, culprit: "leak_here"},
		rightReport(), text(rightReport()), amount{1000, 1000})
	wrong := &outcome{name: "wrong", account: -1, faults: []string{"no diagnosis"}}
	var table strings.Builder
	writeTable(&table, []*outcome{right, wrong})
	for _, want := range []string{
		`| right | a\|b | leak_here leaks 1000 B/s | leak | 100 % | `,
		" | ok |\n", "| wrong |  |  |  | - | - | FAIL: no diagnosis |\n",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is not in the table\n%s", want, table.String())
		}
	}
	if got := summary([]*outcome{right, wrong}); got != "1 of 2 scenarios are answered right, 1 wrong, 0 are pending" {
		t.Error(got)
	}
}

func TestTruth(t *testing.T) {
	path := filepath.Join(t.TempDir(), "truth")
	if err := os.WriteFile(path, []byte("1000000000 7 100 200\n2000000000 7 200 400\n1500000000 8 0 0\n2500000000 8 50 80\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := readTruth(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		s        series
		from, to int64 // ms
		want     amount
	}{
		{s, 1000, 2000, amount{125, 240}},
		{s.of(7), 1000, 2000, amount{100, 200}},
		{s.of(7), 1500, 1750, amount{25, 50}},
		{s.of(7), 0, 9000, amount{100, 200}},
		{s.of(8), 1000, 9000, amount{50, 80}},
		{s.of(9), 1000, 9000, amount{}},
	} {
		if got := tc.s.between(time.UnixMilli(tc.from), time.UnixMilli(tc.to)); got != tc.want {
			t.Errorf("from %d to %d ms: got %v, want %v", tc.from, tc.to, got, tc.want)
		}
	}
	if err := os.WriteFile(path, []byte("no number\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readTruth(path); err == nil {
		t.Error("no error of a line without numbers")
	}
}
