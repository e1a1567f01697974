package answer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/report"
)

// What is suppressed makes no finding, but its bytes are in the account, which says so.
func TestSuppressed(t *testing.T) {
	diagnose := func(pattern string) (*report.Report, map[report.TermKind]int64) {
		r := watched()
		grow(r, "brk", 112000+20<<10)
		leak := leakOf("1", calls("make_session", "handle_request"))
		leak.Suppressed = pattern
		answered(with(r, leak, heap("2", 100, 50, 0, calls("init_tables"))))
		terms := make(map[report.TermKind]int64)
		for _, term := range r.Diagnosis.Accounts[0].Terms {
			terms[term.Kind] += term.Bytes
		}
		return r, terms
	}
	shown, before := diagnose("")
	hidden, after := diagnose("make_session")
	if first := shown.Diagnosis.Findings[0]; first.Kind != report.Leak {
		t.Fatalf("%s: %s", first.Kind, first.Text)
	}
	for _, f := range hidden.Diagnosis.Findings {
		if f.Kind != report.Nothing {
			t.Errorf("%s: %s", f.Kind, f.Text)
		}
	}
	if want := "no stack kept adding memory, but for what is suppressed"; !strings.Contains(hidden.Diagnosis.Answer, want) {
		t.Errorf("the answer lacks %q: %s", want, hidden.Diagnosis.Answer)
	}
	if before[report.TermLeaks] == 0 {
		t.Fatal("nothing leaks")
	}
	before[report.TermSuppressed], before[report.TermLeaks] = before[report.TermLeaks], 0
	delete(before, report.TermLeaks)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("(-shown +suppressed):\n%s", diff)
	}
}

// The estimates of suppressed stacks are a term as well, but only if they leak.
func TestSuppressedEstimates(t *testing.T) {
	r := inWindows(watched())
	grow(r, "brk", 60<<10)
	stacks := []report.Stack{
		estimated("1", "leak", 2500, 2000, 3100, calls("remember")),
		estimated("2", "stopped", 300, 0, 600, calls("setup")),
		estimated("3", "leak", 500, 400, 600, calls("forget")),
	}
	stacks[0].Suppressed, stacks[1].Suppressed = "remember", "setup"
	answered(with(r, stacks...))
	d := r.Diagnosis
	if f := d.Findings[0]; f.Kind != report.Leak || f.Culprit.Function != "forget" || f.Share != 1 {
		t.Errorf("%s", d.Answer)
	}
	for _, term := range d.Accounts[0].Terms {
		if term.Kind == report.TermSuppressed {
			if term.Label != "1 stack that is suppressed" || !term.Estimated || term.Bytes < 2000*20 || term.Bytes > 3100*20*2 {
				t.Errorf("%+v", term)
			}
			return
		}
	}
	t.Errorf("no term: %+v", d.Accounts[0].Terms)
}

// What a process holds that has ended is not all that it has left where some of it is hidden.
func TestSuppressedAtTheEnd(t *testing.T) {
	e := ended()
	for i := range e.Report.Stacks {
		e.Report.Stacks[i].Suppressed = "x"
	}
	answered(e)
	if got := e.Report.Diagnosis.Answer; !strings.HasSuffix(got, "had freed all that it allocated while traced, but for what is suppressed") {
		t.Error(got)
	}
}
