package ended

import (
	"fmt"
	"time"

	"memtrace/tracer/report"
)

func earlier(a, b *report.Report) time.Time {
	if b.Start.Before(a.Start) {
		return b.Start
	}
	return a.Start
}

func later(a, b *report.Report) time.Time {
	if b.End.After(a.End) {
		return b.End
	}
	return a.End
}

// addSampling adds what the windows of another process were, when n are already added up. What
// is a part of the time, or of the speed, is that of them all on average.
func addSampling(a, b *report.Sampling, n int) *report.Sampling {
	if a == nil || b == nil {
		return nil
	}
	sum := *a
	sum.SinceSeconds = min(a.SinceSeconds, b.SinceSeconds)
	sum.Windows += b.Windows
	sum.TracedSeconds += b.TracedSeconds
	sum.Dropped += b.Dropped
	sum.Execs += b.Execs
	sum.Overhead = average(a.Overhead, b.Overhead, n)
	sum.ProbesOverhead = average(a.ProbesOverhead, b.ProbesOverhead, n)
	sum.Pace = average(a.Pace, b.Pace, n)
	sum.WorkScale = report.Bounds{
		Value: average(a.WorkScale.Value, b.WorkScale.Value, n),
		Low:   min(a.WorkScale.Low, b.WorkScale.Low), High: max(a.WorkScale.High, b.WorkScale.High),
	}
	sum.MaturitySeconds = max(a.MaturitySeconds, b.MaturitySeconds)
	sum.Candidates += b.Candidates
	sum.Freed += b.Freed
	sum.Reused += b.Reused
	sum.FoundFree += b.FoundFree
	sum.Checked = a.Checked && b.Checked
	return &sum
}

// average is that of n processes, which is a, and of another one.
func average(a, b float64, n int) float64 { return (a*float64(n) + b) / float64(n+1) }

// diagnosis says what several processes of one program had not freed when they ended. The
// stacks are sorted.
func diagnosis(r *report.Report) *report.Diagnosis {
	who := r.Target.Who()
	hidden := r.AllSuppressed().Sum
	sum := r.Outstanding.Plus(r.Young)
	sum.Bytes -= min(hidden.Bytes, sum.Bytes)
	sum.Blocks -= min(hidden.Blocks, sum.Blocks)
	f := report.Finding{
		Kind: report.NeverFreed, Confidence: "certain", Bytes: sum.Bytes, Blocks: sum.Blocks, StacksTotal: len(r.Stacks),
	}
	if !r.Complete {
		f.Confidence = "likely"
	}
	switch {
	case r.Mode == report.ModeWindows || r.Mode == report.ModeGrowth:
		f.Kind, f.Confidence, f.Bytes, f.Blocks, f.StacksTotal = report.TooShort, "possible", 0, 0, 0
		f.Text, f.Next = "were not traced in every call: what they had not freed is not known", "Trace with --exact."
		if r.Mode == report.ModeGrowth {
			f.Next = "Trace without grow."
		}
	case sum.Blocks == 0:
		f.Kind, f.StacksTotal = report.Nothing, 0
		f.Text = "had freed all that they allocated while traced"
	default:
		f.Text = fmt.Sprintf("had not freed %s in %s when they ended", report.Size(sum.Bytes), report.Counted(sum.Blocks, "block", "blocks"))
		blame(&f, r.Stacks)
	}
	if hidden.Blocks > 0 && f.Kind != report.TooShort {
		f.Text += ", but for what is suppressed"
	}
	return &report.Diagnosis{Answer: who + " " + f.Text, Findings: []report.Finding{f}, Accounts: []report.Account{}}
}

// blame names the stack that holds most.
func blame(f *report.Finding, stacks []report.Stack) {
	const named = 10
	for i := range stacks[:min(len(stacks), named)] {
		f.Stacks = append(f.Stacks, stacks[i].ID)
	}
	if len(stacks) == 0 || len(stacks[0].Frames) == 0 {
		return
	}
	s := &stacks[0]
	culprit := s.Frames[min(s.OwnFrame, len(s.Frames)-1)]
	f.Culprit, f.Share = &culprit, float64(s.Bytes)/float64(max(f.Bytes, 1))
	name := culprit.Function
	if name == "" {
		name = culprit.Place()
	}
	f.Text += fmt.Sprintf(": %.0f %% in %s", 100*f.Share, report.ShortName(name, 60))
}
