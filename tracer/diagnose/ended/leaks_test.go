package ended

import (
	"fmt"
	"strings"
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

// Leaks in different functions are told apart, up to a bound, and those of one function are one.
func TestLeaksAreToldApart(t *testing.T) {
	var all Reports
	add := func(pid int, in string, rate float64) {
		r := one(pid, "a", 1)
		r.Diagnosis.Findings = []report.Finding{{
			Kind: report.Leak, Confidence: "certain", Text: "leaked " + report.Rate(rate) + ": all in " + in,
			BytesPerSecond: report.Bounds{Value: rate}, Culprit: &report.Frame{Module: "/bin/a", Function: in},
		}}
		all.Add(r)
	}
	add(1, "g", 1024)
	add(2, "f", 2048)
	add(3, "g", 512)
	texts := func() (list []string) {
		for _, f := range all.List(0)[0].Diagnosis.Findings {
			if f.Kind == report.Leak {
				list = append(list, f.Text)
			}
		}
		return list
	}
	got := strings.Join(texts(), "\n")
	if want := "had one (pid 2) that leaked 2.0 KiB/s: all in f\nhad 2 like this: pid 1 leaked 1.0 KiB/s: all in g"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	for pid := 4; pid < 100; pid++ {
		add(pid, fmt.Sprint("h", pid), 1)
	}
	list := texts()
	if len(list) != mostLeaks+1 {
		t.Fatalf("%d leaks", len(list))
	}
	if last := list[mostLeaks]; last != "had 82 more, of which the places are not told apart: pid 18 leaked 60 B/min: all in h18" {
		t.Errorf("the last is %q", last)
	}
}
