package ended

import (
	"fmt"
	"slices"

	"memtrace/tracer/report"
)

// leak is a finding that some processes of a program had in common: of the one that leaked
// fastest.
type leak struct {
	report.Finding
	processes, pid int
}

// noteLeaks remembers what a process leaked while it ran. What is left of all of them at their ends
// does not tell.
func (a *sum) noteLeaks(r *report.Report) {
	if r.Diagnosis == nil {
		return
	}
	for _, f := range r.Diagnosis.Findings {
		switch f.Kind {
		case report.Leak, report.ActiveLeak, report.UnjoinedThreads:
		default:
			continue
		}
		unsure := f.Confidence == "possible"
		i := slices.IndexFunc(a.leaks, func(l leak) bool { return l.Kind == f.Kind && (l.Confidence == "possible") == unsure })
		if i < 0 {
			i = len(a.leaks)
			a.leaks = append(a.leaks, leak{})
		}
		l := &a.leaks[i]
		l.processes++
		if l.pid == 0 || f.BytesPerSecond.Value > l.BytesPerSecond.Value {
			l.Finding, l.pid = f, r.Target.PID
		}
	}
}

// leaked returns the findings. The stacks are those of one process, so they are not named.
func (a *sum) leaked() (all []report.Finding) {
	for _, l := range a.leaks {
		f := l.Finding
		f.Stacks = []string{}
		if l.processes == 1 {
			f.Text = fmt.Sprintf("had one (pid %d) that %s", l.pid, f.Text)
		} else {
			f.Text = fmt.Sprintf("had %s like this: pid %d %s", report.Count(uint64(l.processes)), l.pid, f.Text)
		}
		all = append(all, f)
	}
	return all
}
