package html

import (
	"html/template"

	"memtrace/tracer/report"
)

// row is a stack of the table that is there without scripts.
type row struct {
	report.Stack
	Number          int
	Verdict         string
	Bad             bool
	Function        string
	Caller          string
	Share           string
	Survival        string
	Held, BlockNote string
}

// rows lists the first stacks.
func (v *view) rows() {
	r := v.Report
	for i := range r.Stacks {
		if i == mostRows {
			break
		}
		v.Rows = append(v.Rows, rowOf(i, r.Named(&r.Stacks[i]), r))
	}
	v.Hidden = max(r.StacksTotal, len(r.Stacks)) - len(v.Rows)
	v.Unlisted = max(r.StacksTotal-len(r.Stacks), 0)
}

func rowOf(i int, s report.Stack, r *report.Report) row {
	row := row{Stack: s, Number: i + 1, Verdict: s.VerdictAndRate(), Function: "[unknown]"}
	_, row.Bad, _ = s.Leak()
	switch {
	case s.GivenUpStacks > 0:
		row.Function = "[given up]"
	case s.OwnFrame < len(s.Frames):
		row.Function = frameName(&s.Frames[s.OwnFrame])
	}
	if s.OwnFrame+1 < len(s.Frames) {
		row.Caller = frameName(&s.Frames[s.OwnFrame+1])
	}
	if e := s.Estimate; e != nil {
		row.Held = "not known"
		row.Survival = report.Percent(e.Survival)
		return row
	}
	row.Held = report.Size(s.Bytes)
	row.BlockNote = report.Count(s.Blocks)
	row.Survival = report.Percent(s.Survival)
	if r.Outstanding.Bytes > 0 {
		row.Share = report.Percent(float64(s.Bytes) / float64(r.Outstanding.Bytes))
	}
	return row
}

// touched returns the stacks that touched most memory first, with their names.
func touched(r *report.Report) (list []report.FaultStack) {
	for i := range r.Growth.FaultStacks[:min(len(r.Growth.FaultStacks), mostRows)] {
		list = append(list, r.NamedFaults(&r.Growth.FaultStacks[i]))
	}
	return list
}

// own is the function of the program in a stack.
func own(s report.FaultStack) string {
	if s.OwnFrame < len(s.Frames) {
		return frameName(&s.Frames[s.OwnFrame])
	}
	return "[unknown]"
}

// account is a report.Account laid out as a bar, in hundredths of its width.
type account struct {
	report.Account
	Change string
	Parts  []part
}

// part is a term as a part of a bar that is 100 wide. Terms below 0 have no width.
type part struct {
	report.AccountTerm
	X, Width int
	Size     string
}

func accounts(r *report.Report) (list []account) {
	if r.Diagnosis == nil {
		return nil
	}
	for _, a := range r.Diagnosis.Accounts {
		one := account{Account: a, Change: "did not grow"}
		switch {
		case a.GrewBytes > 0:
			one.Change = "grew by " + report.Size(uint64(a.GrewBytes))
		case a.GrewBytes < 0:
			one.Change = "shrank by " + report.Size(uint64(-a.GrewBytes))
		}
		x := 0
		for _, t := range a.Terms {
			p := part{AccountTerm: t, X: x, Size: termSize(&t)}
			if t.Bytes > 0 {
				p.Width = min(t.Percent, 100-x)
				x += p.Width
			}
			one.Parts = append(one.Parts, p)
		}
		list = append(list, one)
	}
	return list
}

// termSize writes how much a term is, and how well that is known.
func termSize(t *report.AccountTerm) string {
	switch {
	case t.Bytes < 0:
		return change(t.Bytes)
	case t.Bytes == 0 && !t.Known:
		return "unknown"
	}
	size := report.Size(uint64(t.Bytes))
	if t.Bytes > 0 && t.Estimated {
		size = "~" + size
	}
	if t.Bytes > 0 && t.AtLeast {
		size = "≥ " + size
	}
	return size
}

// frameList is what the page says of the frames of a stack.
type frameList struct {
	Frames    []report.Frame
	Truncated bool
}

// functions are what the template calls.
var functions = template.FuncMap{
	"size":    report.Size,
	"change":  change,
	"count":   report.Count,
	"counted": func(n int, one, many string) string { return report.Counted(uint64(max(n, 0)), one, many) },
	"about":   about,
	"rate":    report.Rate,
	"seconds": report.Seconds,
	"escape":  report.Escape,
	"name":    func(f report.Frame) string { return frameName(&f) },
	"place":   func(f report.Frame) string { return framePlace(&f) },
	"own":     own,
	"frames":  func(frames []report.Frame, truncated bool) frameList { return frameList{frames, truncated} },
	"words":   func(k report.FindingKind) string { return kindWords[k] },
}

// kindWords are the kinds of findings in words.
var kindWords = map[report.FindingKind]string{
	report.Leak: "leak", report.ActiveLeak: "active leak", report.CacheFills: "cache that filled", report.CacheReplaces: "cache that replaces",
	report.NeverFreed: "never freed", report.KeepsFree: "free memory kept", report.UnjoinedThreads: "unjoined threads",
	report.Reserved: "reserved addresses", report.Pool: "pool", report.UnknownAllocator: "unknown allocator",
	report.Unexplained: "unexplained", report.FilePages: "pages of files", report.Children: "children", report.Held: "held",
	report.Nothing: "nothing grows", report.TooShort: "too short to tell",
}
