package ended

import (
	"cmp"
	"fmt"
	"slices"

	"memtrace/tracer/report"
)

// mostLeaks is how many leaks of a program are told apart by where they are. Later ones count
// together, as far as they are of one kind.
const mostLeaks = 16

// leak is a finding that some processes of a program had in common: of the one that leaked
// fastest.
type leak struct {
	report.Finding
	processes, pid int
	// last is the pid of the last process that was counted.
	last int
	at   leakAt
}

// leakAt is what leaks have in common that count as one.
type leakAt struct {
	kind   report.FindingKind
	unsure bool
	// module and function are of the function to blame. place is an address in the module, where
	// the function has no name.
	module, function string
	place            uint64
	// several: these are leaks whose places are not told apart.
	several bool
}

func leakAtOf(f *report.Finding) leakAt {
	at := leakAt{kind: f.Kind, unsure: f.Confidence == "possible"}
	if c := f.Culprit; c != nil {
		at.module, at.function = c.Module, c.Function
		if at.function == "" {
			at.place = c.Offset
		}
	}
	return at
}

// leakOf returns the leak that a finding is counted with.
func (a *sum) leakOf(f *report.Finding) *leak {
	at := leakAtOf(f)
	for range 2 {
		if i := slices.IndexFunc(a.leaks, func(l leak) bool { return l.at == at }); i >= 0 {
			return &a.leaks[i]
		}
		if len(a.leaks) < mostLeaks || at.several {
			break
		}
		at = leakAt{kind: at.kind, unsure: at.unsure, several: true}
	}
	a.leaks = append(a.leaks, leak{at: at})
	return &a.leaks[len(a.leaks)-1]
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
		l := a.leakOf(&f)
		if l.processes == 0 || l.last != r.Target.PID {
			l.processes++
		}
		l.last = r.Target.PID
		if l.pid == 0 || f.BytesPerSecond.Value > l.BytesPerSecond.Value {
			l.Finding, l.pid = f, r.Target.PID
		}
	}
}

// leaked returns the findings, those beyond doubt first, then the fastest. The stacks are those of one process, so they are not named.
func (a *sum) leaked() (all []report.Finding) {
	leaks := slices.SortedStableFunc(slices.Values(a.leaks), func(a, b leak) int {
		if a.at.unsure != b.at.unsure && b.at.unsure {
			return -1
		}
		if a.at.unsure != b.at.unsure {
			return 1
		}
		return cmp.Compare(b.BytesPerSecond.Value, a.BytesPerSecond.Value)
	})
	for _, l := range leaks {
		f := l.Finding
		f.Stacks = []string{}
		switch {
		case l.processes == 1:
			f.Text = fmt.Sprintf("had one (pid %d) that %s", l.pid, f.Text)
		case l.at.several:
			f.Text = fmt.Sprintf("had %s more, of which the places are not told apart: pid %d %s", report.Count(uint64(l.processes)), l.pid, f.Text)
		default:
			f.Text = fmt.Sprintf("had %s like this: pid %d %s", report.Count(uint64(l.processes)), l.pid, f.Text)
		}
		all = append(all, f)
	}
	return all
}
