package ended

import (
	"testing"

	"memtrace/tracer/report"
)

// Of processes of one program that have ended it is still known which of them leaked.
func TestLeaksAreKept(t *testing.T) {
	var all Reports
	for pid, rate := range []float64{1: 100, 2: 300, 3: 200, 4: 0} {
		if pid == 0 {
			continue
		}
		r := one(pid, "a", 1)
		r.Diagnosis.Findings = []report.Finding{{Kind: report.NeverFreed, Text: "ended with 10 B"}}
		if rate > 0 {
			r.Diagnosis.Findings = []report.Finding{{
				Kind: report.Leak, Confidence: "certain", Text: "leaked " + report.Rate(rate) + ": all in f",
				BytesPerSecond: report.Bounds{Value: rate}, Stacks: []string{"1"}, StacksTotal: 1,
			}}
		}
		all.Add(r)
	}
	found := all.List(0)[0].Diagnosis.Findings
	if len(found) != 2 || found[0].Kind != report.NeverFreed {
		t.Fatalf("%+v", found)
	}
	f := found[1]
	if f.Kind != report.Leak || f.BytesPerSecond.Value != 300 || len(f.Stacks) != 0 || f.Text != "had 3 like this: pid 2 leaked 17.6 KiB/min: all in f" {
		t.Errorf("%+v", f)
	}
}

// What is suppressed adds up, and does not count as never freed.
func TestSuppressedAddsUp(t *testing.T) {
	var all Reports
	for pid := range 3 {
		r := one(pid+1, "a")
		r.Outstanding = report.Sum{Bytes: 30, Blocks: 3}
		r.Suppressed = []report.Suppressed{{Pattern: "tzset", Stacks: 1, Sum: report.Sum{Bytes: 30, Blocks: 3}}}
		all.Add(r)
	}
	r := all.List(0)[0]
	if s := r.Suppressed; len(s) != 1 || s[0].Stacks != 3 || s[0].Bytes != 90 || s[0].Blocks != 9 {
		t.Errorf("%+v", s)
	}
	if f := r.Diagnosis.Findings[0]; f.Kind != report.Nothing || f.Text != "had freed all that they allocated while traced, but for what is suppressed" {
		t.Errorf("%s: %s", f.Kind, f.Text)
	}
}
