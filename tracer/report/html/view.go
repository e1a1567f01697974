package html

import (
	"bytes"
	"fmt"
	"html/template"
	"path"
	"slices"
	"strings"
	"time"

	"memtrace/tracer/report"
)

// view is what the page says of a report without scripts.
type view struct {
	*report.Report
	Index int
	Title string
	// Tone is bad, warn, calm, good or unknown: how the answer is to look at first sight.
	Tone string
	// Answer is the answer before, in and behind the name of the function to blame.
	Answer  [3]string
	Figures []figure
	// Through is what all leaking stacks have in common, Freed where those blocks are freed and are
	// not that the answer is about.
	Through, Freed string
	Accounts       []account
	Rows           []row
	// Hidden is how many stacks are not in Rows, Unlisted how many are not in the page at all.
	Hidden, Unlisted int
	Regions          []report.Region
	// Beside is what looks at the heap have shown, nil where there were none.
	Beside *beside
	// Touched are the stacks that touched memory first.
	Touched     []report.FaultStack
	How, Losses string
	Facts       []fact
	// Text is the report in text.
	Text string
	Data template.JS
}

// figure is one of the few numbers to see first.
type figure struct{ Label, Value, Note, Tone string }

// fact is a line of a list.
type fact struct{ Label, Value string }

// mostRows is how many stacks the page lists without scripts.
const mostRows = 50

func newView(i int, r *report.Report) (*view, error) {
	v := &view{Report: r, Index: i, Title: fmt.Sprintf("%s (pid %d)", report.Escape(r.Target.Command), r.Target.PID), Tone: "unknown"}
	v.How, v.Losses = r.How(), report.Escape(r.Losses())
	v.answer()
	v.Figures = figures(r)
	v.Accounts = accounts(r)
	v.rows()
	if r.Memory != nil {
		for _, c := range r.Memory.Regions {
			if c.VirtualBytes > 0 || c.Count > 0 || c.GrowthBytes != 0 {
				v.Regions = append(v.Regions, c)
			}
		}
	}
	v.Facts, v.Beside = facts(r), newBeside(r)
	if r.Growth != nil {
		v.Touched = touched(r)
	}
	var text bytes.Buffer
	if err := report.Text(&text, r, report.TextOptions{Width: 100, Top: 10, Show: report.Full}); err != nil {
		return nil, err
	}
	v.Text = text.String()
	var err error
	v.Data, err = encode(r)
	return v, err
}

// answer fills in what is said first.
func (v *view) answer() {
	d := v.Diagnosis
	if d == nil {
		v.Answer[0] = v.Title + " was looked at, without an answer."
		return
	}
	v.Answer[0] = report.Escape(d.Answer)
	if len(d.Findings) == 0 {
		return
	}
	first := &d.Findings[0]
	v.Tone = toneOf(first)
	if first.Culprit != nil {
		if name := report.Escape(first.Culprit.Function); name != "" {
			if before, after, ok := strings.Cut(v.Answer[0], name); ok {
				v.Answer = [3]string{before, name, after}
			}
		}
	}
	for i := range v.Stacks {
		if s := &v.Stacks[i]; s.Freed != nil && slices.Contains(first.Stacks, s.ID) {
			v.Freed = report.Escape(s.Freed.Text)
			break
		}
	}
	if d.Through != nil {
		v.Through = frameName(d.Through)
	}
}

// toneOf says how bad a finding is.
func toneOf(f *report.Finding) string {
	switch f.Kind {
	case report.Nothing:
		return "good"
	case report.TooShort, report.Held:
		return "unknown"
	case report.CacheFills, report.CacheReplaces, report.Reserved, report.FilePages:
		return "calm"
	case report.KeepsFree, report.NeverFreed, report.Pool:
		return "warn"
	}
	if f.Confidence == "possible" {
		return "warn"
	}
	return "bad"
}

// figures are the numbers to see first.
func figures(r *report.Report) (list []figure) {
	if d := r.Diagnosis; d != nil && len(d.Findings) > 0 {
		f := &d.Findings[0]
		if b := f.BytesPerSecond; b.Value > 0 {
			note := ""
			if b.Low != b.High {
				note = "estimated, 95 %: " + report.Rate(b.Low) + " to " + report.Rate(b.High)
			} else if f.Confidence != "" {
				note = f.Confidence
			}
			label := "grows by"
			if r.Target.Exited {
				label = "grew by"
			}
			list = append(list, figure{label, about(b), note, toneOf(f)})
		}
		if f.Bytes > 0 {
			note := ""
			if f.StacksTotal > 0 {
				note = "in " + report.Counted(uint64(f.StacksTotal), "stack", "stacks")
			}
			list = append(list, figure{"in question", report.Size(f.Bytes), note, ""})
		}
		if at := d.Deadline; at != nil {
			list = append(list, figure{"memory runs out in", report.Seconds(at.Seconds.Value), strings.ReplaceAll(at.Limit, "_", " "), "bad"})
		}
	}
	if m := r.Memory; m != nil {
		list = append(list, figure{"resident", report.Size(m.StatmResidentBytes), change(m.ResidentGrowthBytes) + " since the start", ""})
	}
	if r.Mode != report.ModeWindows {
		list = append(list, figure{"outstanding", report.Size(r.Outstanding.Bytes), "in " + report.Counted(r.Outstanding.Blocks, "block", "blocks"), ""})
	}
	return append(list, figure{"watched for", report.Seconds(r.DurationSeconds), r.Mode + modeNote(r), ""})
}

// about writes a rate, and shows whether it is an estimate.
func about(b report.Bounds) string {
	if b.Low != b.High {
		return "~" + report.Rate(b.Value)
	}
	return report.Rate(b.Value)
}

func modeNote(r *report.Report) (note string) {
	if r.Sampling != nil {
		note = ", " + report.Counted(uint64(max(r.Sampling.Windows, 0)), "window", "windows")
	}
	if r.Overhead > 0 {
		note += fmt.Sprintf(", cost %.1f %%", 100*r.Overhead)
	}
	return note
}

// change writes a change in bytes with its sign.
func change(n int64) string {
	switch {
	case n == 0:
		return "unchanged"
	case n < 0:
		return "−" + report.Size(uint64(-n))
	}
	return "+" + report.Size(uint64(n))
}

// facts say what was traced and how.
func facts(r *report.Report) (list []fact) {
	add := func(label, value string) {
		if value != "" {
			list = append(list, fact{label, report.Escape(value)})
		}
	}
	t, e := &r.Target, &r.Events
	add("command", t.Command)
	add("executable", t.Exe)
	add("allocator", t.Allocator)
	add("in file", t.Libc)
	if !r.End.IsZero() {
		add("traced", r.Start.Format(time.DateTime)+" to "+r.End.Format(time.TimeOnly+" MST"))
	}
	add("mode", r.Mode)
	s := r.Sampling
	if s != nil {
		add("watched", fmt.Sprintf("%s in %s", report.Seconds(s.TracedSeconds), report.Counted(uint64(max(s.Windows, 0)), "window", "windows")))
	}
	if r.Overhead > 0 {
		cost := fmt.Sprintf("%.2f %% of the process's time", 100*r.Overhead)
		if s != nil {
			cost += fmt.Sprintf(", of at most %.1f %%; probes %.2f %%", 100*s.MaxOverhead, 100*s.ProbesOverhead)
		}
		add("cost", cost)
	}
	for _, c := range []struct {
		label string
		n     uint64
	}{
		{"allocations", e.Alloc},
		{"frees", e.Free},
		{"reallocs", e.Realloc},
		{"mmaps", e.Mmap},
		{"munmaps", e.Munmap},
		{"brk calls", e.Brk},
		{"frees of older blocks", e.UnknownFree},
		{"lost allocations", e.Lost.Alloc},
		{"lost frees", e.Lost.Free},
		{"lost mmaps", e.Lost.Mmap},
		{"unreadable stacks", e.Lost.Stack},
	} {
		if c.n > 0 {
			add(c.label, report.Count(c.n))
		}
	}
	return list
}

func frameName(f *report.Frame) string {
	switch {
	case f.Function != "":
		return report.Escape(f.Function)
	case f.Module == "" && f.Address == 0:
		return "[unknown]"
	}
	return report.Escape(f.Place())
}

// framePlace is where a frame is: in a file and a line, or else in a module.
func framePlace(f *report.Frame) string {
	switch {
	case f.File != "" && f.Line > 0:
		return report.Escape(fmt.Sprintf("%s:%d", path.Base(f.File), f.Line))
	case f.Module != "":
		return report.Escape(path.Base(f.Module))
	}
	return ""
}
