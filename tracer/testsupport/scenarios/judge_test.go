package scenarios

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"memtrace/tracer/report"
)

const (
	// topLines are the lines of the text form that a reader sees first on a terminal.
	topLines = 24
	// usualTolerance is how far what was counted may be off.
	usualTolerance = 0.10
	// windowsTolerance is the same of what was estimated from windows of time.
	windowsTolerance = 0.25
)

// expected is the truth about a program.
type expected struct {
	// truth is the same in words, for the table.
	truth string
	// kinds are those that the first finding may have.
	kinds []report.FindingKind
	// culprit is what the answer must contain, and for leaks also one of the first lines of the
	// text form. never is what the answer must not contain. Both are regular expressions. The
	// answer contains the name of the program too, so that alone must not match.
	culprit, never string
	// uncounted: it is not known how much leaks, or that is not to be told. Otherwise the terms
	// of the accounts for what leaks are compared with the truth, to tolerance, and to
	// usualTolerance at least.
	uncounted bool
	tolerance float64
	// mayLeak: what leaks as well is not what matters, but may be said. Otherwise nothing may be
	// said to leak where kinds has no leak.
	mayLeak bool
	// rateTolerance is how far the first finding's growth may be off the truth, 0 to not compare
	// them.
	rateTolerance float64
	// refused is what memtrace says where it cannot trace at all, a regular expression.
	refused string
	// also is what else must hold of the report. It returns what does not.
	also func(*report.Report) string
	// pending is why a row is known to fail. It must then fail, unless it is unsteady: an
	// estimate may hold by chance. Even then nobody may be blamed who is not to blame.
	pending  string
	unsteady bool
}

// leaking are the kinds of findings of which it is said who is to blame.
var leaking = []report.FindingKind{report.Leak, report.ActiveLeak}

// leaks reports whether something does leak.
func (e *expected) leaks() bool {
	return slices.ContainsFunc(e.kinds, func(k report.FindingKind) bool { return slices.Contains(leaking, k) })
}

// outcome is a row of the table.
type outcome struct {
	name, truth string
	answer      string
	kind        report.FindingKind
	// account is what the accounts say has leaked, as a fraction of the truth, or below 0.
	account float64
	// lines is the first line of the text form that names the culprit, or 0.
	lines   int
	faults  []string
	pending string
	// unsteady is that of expected. misled: the answer blames who is not to blame.
	unsteady, misled bool
}

func (o *outcome) fault(format string, args ...any) {
	o.faults = append(o.faults, fmt.Sprintf(format, args...))
}

// failed reports whether the row fails the test: if it does not hold, or if it holds and is
// marked as pending.
func (o *outcome) failed() bool {
	if o.unsteady {
		return o.misled
	}
	return (len(o.faults) == 0) == (o.pending != "")
}

// verdict is the row's outcome in the table.
func (o *outcome) verdict() string {
	switch {
	case o.pending != "" && len(o.faults) == 0 && !o.unsteady:
		return "FAIL: holds, though pending"
	case o.pending != "" && len(o.faults) > 0 && !o.failed():
		return "pending: " + o.pending
	case len(o.faults) > 0:
		return "FAIL: " + strings.Join(o.faults, "; ")
	}
	return "ok"
}

// judge compares what a report says, and its text form, with the truth, of which leaked is the
// measured part.
func judge(name string, e *expected, r *report.Report, text string, leaked amount) *outcome {
	o := &outcome{name: name, truth: e.truth, account: -1, pending: e.pending, unsteady: e.unsteady}
	d := r.Diagnosis
	if e.refused != "" {
		o.fault("is traced, want a refusal")
	}
	if d == nil || len(d.Findings) == 0 {
		o.fault("no diagnosis")
		return o
	}
	o.answer, o.kind = d.Answer, d.Findings[0].Kind
	if !slices.Contains(e.kinds, o.kind) {
		o.fault("kind %s, want %s", o.kind, kindNames(e.kinds))
	}
	culprit := regexp.MustCompile(e.culprit)
	if !culprit.MatchString(d.Answer) {
		o.fault("the answer does not say %q", e.culprit)
		o.misled = slices.Contains(leaking, o.kind)
	}
	if e.never != "" && regexp.MustCompile(e.never).MatchString(d.Answer) {
		o.fault("the answer says %q", e.never)
		o.misled = true
	}
	o.judgeText(e, text, culprit)
	if e.leaks() {
		// What was never freed is no growth, where that may be said.
		if !e.uncounted && o.kind != report.NeverFreed {
			o.judgeAccount(e, r, leaked)
		}
	} else if !e.mayLeak && slices.ContainsFunc(d.Findings, falseAlarm) {
		o.fault("something is said to leak")
	}
	o.judgeRate(e, r, leaked)
	if e.also != nil {
		if text := e.also(r); text != "" {
			o.fault("%s", text)
		}
	}
	return o
}

// falseAlarm reports whether a finding says with some confidence that something leaks.
func falseAlarm(f report.Finding) bool {
	return slices.Contains(leaking, f.Kind) && f.Confidence != "possible"
}

func kindNames(kinds []report.FindingKind) string {
	var names []string
	for _, k := range kinds {
		names = append(names, string(k))
	}
	return strings.Join(names, " or ")
}

// judgeText looks for the answer at the beginning of the text form, 80 columns wide, and for the
// culprit in its first lines.
func (o *outcome) judgeText(e *expected, text string, culprit *regexp.Regexp) {
	// Lines are wrapped, and very long names cut.
	begin := withoutSpace(o.answer)
	if begin = begin[:min(len(begin), 60)]; !strings.HasPrefix(withoutSpace(text), begin) {
		o.fault("the text does not begin with the answer")
	}
	if !e.leaks() {
		return
	}
	line := 0
	for l := range strings.Lines(text) {
		if line++; culprit.MatchString(l) {
			o.lines = line
			break
		}
	}
	if o.lines == 0 || o.lines > topLines {
		o.fault("the culprit is not in the first %d lines", topLines)
	}
}

func withoutSpace(text string) string { return strings.Join(strings.Fields(text), "") }

// judgeAccount compares what the accounts put down to leaks with what has leaked. glibc's blocks
// count with their overhead; of other allocators it may be left out.
func (o *outcome) judgeAccount(e *expected, r *report.Report, leaked amount) {
	if leaked.taken <= 0 {
		o.fault("nothing has leaked: the program does not do what it should")
		return
	}
	sum := 0.0
	for _, a := range r.Diagnosis.Accounts {
		for _, term := range a.Terms {
			if term.Kind == report.TermLeaks || term.Kind == report.TermPossible {
				sum += float64(term.Bytes)
			}
		}
	}
	low, high := leaked.taken, leaked.taken
	if r.Target.Allocator != "glibc" {
		low = min(leaked.asked, leaked.taken)
	}
	o.account = sum / min(max(sum, low), high)
	tolerance := max(e.tolerance, usualTolerance)
	if r.Mode == report.ModeWindows {
		tolerance = max(tolerance, windowsTolerance)
	}
	if o.account < 1-tolerance || o.account > 1+tolerance {
		o.fault("accounts put %.0f B down to leaks, %.0f B have leaked", sum, high)
	}
}

// judgeRate compares the growth of the first finding with what has leaked. Where it was
// estimated, the truth must be within its bounds.
func (o *outcome) judgeRate(e *expected, r *report.Report, leaked amount) {
	first := r.Diagnosis.Findings[0]
	truth := leaked.times(1 / r.DurationSeconds)
	low, high := first.BytesPerSecond.Value, first.BytesPerSecond.Value
	tolerance := e.rateTolerance
	if r.Mode == report.ModeWindows && !e.uncounted && slices.Contains(leaking, first.Kind) {
		low, high = first.BytesPerSecond.Low, first.BytesPerSecond.High
		tolerance = max(tolerance, usualTolerance)
	}
	if tolerance != 0 && (high < truth.asked*(1-tolerance) || low > truth.taken*(1+tolerance)) {
		o.fault("growth of %.0f [%.0f - %.0f] B/s, %.0f B/s have leaked", first.BytesPerSecond.Value, low, high, truth.asked)
	}
}

// judgeRefusal compares what memtrace says where it does not trace with what it should say. The
// answer is the last line of that.
func judgeRefusal(name string, e *expected, said string) *outcome {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	o := &outcome{name: name, truth: e.truth, account: -1, pending: e.pending, answer: lines[len(lines)-1]}
	if e.refused == "" || !regexp.MustCompile(e.refused).MatchString(said) {
		o.fault("memtrace fails")
	}
	return o
}
