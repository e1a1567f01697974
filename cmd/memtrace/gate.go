package main

import (
	"fmt"
	"slices"
	"strings"

	"memtrace/tracer/report"
)

// exitGate is the exit status where a trace went well, and what it found is what --fail-on or
// --fail-over name.
const exitGate exitCode = 3

// gate makes memtrace fail for what the last report of a trace says.
type gate struct {
	on   kindsValue
	over limitValue
}

// why says in one line why reports do not pass, "" if they do.
func (g *gate) why(reports []*report.Report) string {
	var reasons []string
	if found := g.found(reports); len(found) > 0 {
		reasons = append(reasons, "--fail-on "+g.on.String()+": "+found[0]+more(len(found)-1, "finding"))
	}
	if large := g.large(reports); len(large) > 0 {
		reasons = append(reasons, "--fail-over "+g.over.String()+": "+large[0]+more(len(large)-1, "process"))
	}
	return strings.Join(reasons, "; ")
}

func more(n int, what string) string {
	switch {
	case n == 0:
		return ""
	case n == 1:
		return " (and one more " + what + ")"
	}
	return fmt.Sprintf(" (and %d more)", n)
}

// found returns the findings that --fail-on names, in words.
func (g *gate) found(reports []*report.Report) (found []string) {
	for _, r := range reports {
		if r.Diagnosis == nil {
			continue
		}
		for i := range r.Diagnosis.Findings {
			f := &r.Diagnosis.Findings[i]
			if slices.ContainsFunc(g.on, func(word string) bool { return such(word)(f) }) {
				found = append(found, r.Target.Who()+" "+f.Text)
			}
		}
	}
	return found
}

// large returns the processes that hold more than --fail-over, or have leaked more by estimate,
// in words.
func (g *gate) large(reports []*report.Report) (large []string) {
	if !g.over.given {
		return nil
	}
	most := uint64(g.over.bytes)
	for _, r := range reports {
		if r.Mode == report.ModeWindows {
			if b, known := leakedInWindows(r); known && b.Value > float64(most) {
				large = append(large, fmt.Sprintf("%s has leaked some %s in %s [%s - %s]", r.Target.Who(), report.Size(uint64(b.Value)),
					report.Seconds(r.DurationSeconds), report.Size(uint64(b.Low)), report.Size(uint64(b.High))))
			}
			continue
		}
		if hidden := r.AllSuppressed().Bytes; r.Outstanding.Bytes > hidden && r.Outstanding.Bytes-hidden > most {
			large = append(large, r.Target.Who()+" holds "+report.Size(r.Outstanding.Bytes-hidden))
		}
	}
	return large
}

// leakedInWindows is what a process has leaked over the trace by estimate, in bytes. It is not known of
// several that have ended, since each ran for a time of its own.
func leakedInWindows(r *report.Report) (all report.Bounds, known bool) {
	if r.Diagnosis == nil || r.Target.Processes > 1 {
		return all, false
	}
	for i := range r.Diagnosis.Findings {
		if f := &r.Diagnosis.Findings[i]; isLeak(f) && !unsure(f) {
			b := f.BytesPerSecond
			all.Value += b.Value * r.DurationSeconds
			all.Low += b.Low * r.DurationSeconds
			all.High += b.High * r.DurationSeconds
		}
	}
	return all, true
}

// untold says which processes could not be judged, so that passing means nothing of them, "" if
// there are none.
func (g *gate) untold(reports []*report.Report) string {
	if len(g.on) == 0 && !g.over.given {
		return ""
	}
	var not []string
	for _, r := range reports {
		_, known := leakedInWindows(r)
		windows := r.Mode == report.ModeWindows
		switch {
		case r.Diagnosis != nil && slices.ContainsFunc(r.Diagnosis.Findings, func(f report.Finding) bool { return undecided(&f) }):
			if len(g.on) > 0 || windows {
				not = append(not, r.Target.Who())
			}
		case g.over.given && windows && !known:
			not = append(not, r.Target.Who())
		}
	}
	if len(not) == 0 {
		return ""
	}
	return "passed without a verdict on " + not[0] + more(len(not)-1, "process")
}
