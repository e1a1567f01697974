package answer

import (
	"cmp"
	"fmt"
	"slices"

	"memtrace/tracer/report"
)

// Degrees of confidence.
const (
	Certain  = "certain"
	Likely   = "likely"
	Possible = "possible"
)

// mostStacks is how many stacks a finding names.
const mostStacks = 100

// found is a finding in the making, with all its stacks.
type found struct {
	report.Finding
	stacks []*report.Stack
}

// find begins a finding that does not grow.
func find(kind report.FindingKind, stacks ...*report.Stack) *found {
	f := &found{report.Finding{Kind: kind, Confidence: Certain, Stacks: []string{}, StacksTotal: len(stacks)}, stacks}
	for _, s := range stacks[:min(len(stacks), mostStacks)] {
		f.Stacks = append(f.Stacks, s.ID)
	}
	return f
}

// Of returns the diagnosis of a report, without its deadline.
func Of(e *Evidence) *report.Diagnosis {
	d := &report.Diagnosis{Accounts: e.accounts()}
	if d.Accounts == nil {
		d.Accounts = []report.Account{}
	}
	all := e.ofStacks()
	all = append(all, e.ofAccounts(d.Accounts)...)
	all = append(all, e.ofChildren()...)
	all = append(all, e.steady(all)...)
	all = append(all, e.doubts()...)
	if len(all) == 0 {
		all = append(all, e.nothing())
	}
	slices.SortStableFunc(all, func(a, b *found) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(e.weigh(b), e.weigh(a)), cmp.Compare(b.Bytes, a.Bytes))
	})
	w := words{Evidence: e, all: all, accounts: d.Accounts}
	for _, f := range all {
		f.Text = w.text(f)
		d.Findings = append(d.Findings, f.Finding)
	}
	d.Through = through(e.of(leaking))
	d.Answer = fmt.Sprintf("%s (pid %d) %s", e.Report.Target.Command, e.Report.Target.PID, d.Findings[0].Text)
	return d
}

// rank orders the findings: first what makes the others doubtful, then what grows, then what does
// not.
func rank(f *found) int {
	switch {
	case f.Kind == report.Held && f.Share > mostlyHeld, f.Kind == report.TooShort:
		return 0
	case f.BytesPerSecond.Value > 0:
		return 1
	case f.Kind == report.NeverFreed:
		return 2
	case f.Kind == report.Nothing:
		return 4
	}
	return 3
}

// weigh is what findings that grow are ordered by: how fast, where what is certain and has a
// stack counts more.
func (e *Evidence) weigh(f *found) float64 {
	n := f.BytesPerSecond.Value
	switch {
	case f.Kind == report.Reserved:
		return n / 1000 // addresses are cheap
	case f.Kind == report.FilePages:
		return n / 100 // as is what the kernel takes back
	case f.Kind == report.Unexplained && e.windows():
		return n / 100 // estimates may be low, and have a stack
	case f.Kind == report.Unexplained, f.Kind == report.KeepsFree:
		return n / 4
	case f.Confidence == Possible:
		return n / 2
	}
	return n
}

// of returns the stacks that are such, without those that are suppressed.
func (e *Evidence) of(such func(*report.Stack) bool) (list []*report.Stack) {
	for i := range e.Report.Stacks {
		if s := &e.Report.Stacks[i]; s.Suppressed == "" && such(s) {
			list = append(list, s)
		}
	}
	return list
}

// ofStacks returns the findings that are stacks whose memory adds up.
func (e *Evidence) ofStacks() (all []*found) {
	// group is what the stacks of a finding have in common. Those that are merely possible
	// leaks are a finding of their own.
	type group struct {
		kind   report.FindingKind
		pool   *pool
		unsure bool
	}
	groups := make(map[group][]*report.Stack)
	var order []group
	for _, s := range e.of(func(s *report.Stack) bool { return leaking(s) || possible(s) }) {
		g := group{kind: report.Leak, pool: e.poolOf(s), unsure: !leaking(s)}
		switch {
		case g.pool != nil:
			g.kind = report.Pool
		case e.madeEndedThread(s):
			g.kind = report.UnjoinedThreads
		case s.Estimate != nil && s.Estimate.Class == "active leak":
			g.kind = report.ActiveLeak
		}
		if groups[g] == nil {
			order = append(order, g)
		}
		groups[g] = append(groups[g], s)
	}
	for _, g := range order {
		f := e.growing(g.kind, groups[g])
		switch {
		case g.unsure:
			f.Confidence = Possible
		case g.pool != nil:
			f.Confidence = Likely // who needed more room is known, not who keeps it
		}
		if g.pool != nil {
			f.Next, f.Memory = g.pool.next, g.pool.name
		}
		if g.kind == report.Leak || g.pool == &growingHeap {
			e.proposeFor(f)
		}
		all = append(all, f)
	}
	if len(all) == 0 {
		all = e.neverFreed()
	}
	return all
}

// growing sums up stacks that grow.
func (e *Evidence) growing(kind report.FindingKind, stacks []*report.Stack) *found {
	slices.SortStableFunc(stacks, func(a, b *report.Stack) int { return cmp.Compare(rate(b), rate(a)) })
	f := find(kind, stacks...)
	for _, s := range stacks {
		b := exactly(rate(s))
		if est := s.Estimate; est != nil {
			b = scaled(est.LeakBytesPerSecond, e.rounding(est))
			if est.Confidence < 0.99 {
				f.Confidence = Likely
			}
		}
		f.BytesPerSecond = addBounds(f.BytesPerSecond, b)
		f.Bytes += s.Taken()
	}
	if e.Seconds < 2*minSeconds || !e.Report.Complete {
		f.Confidence = Likely
	}
	f.Culprit, f.Caller, f.Share = e.culprit(stacks, rate)
	if slices.ContainsFunc(stacks, madeThread) {
		e.asThreads(f)
	}
	return f
}

// rate is what a stack adds, per second.
func rate(s *report.Stack) float64 { return s.LeakBytesPerSecond }

// held is what a stack holds, in bytes.
func held(s *report.Stack) float64 { return float64(s.Taken() - min(s.ReservedBytes, s.Taken())) }

// culprit returns the function of the program that most of the stacks' memory comes from, by
// amount, its caller, and its part.
func (e *Evidence) culprit(stacks []*report.Stack, amount func(*report.Stack) float64) (own, caller *report.Frame, part float64) {
	type sum struct {
		amount float64
		stack  *report.Stack
	}
	sums := make(map[string]*sum)
	var all float64
	var most *sum
	for _, s := range stacks {
		all += amount(s)
		if len(s.Frames) == 0 {
			continue
		}
		f := &s.Frames[s.OwnFrame]
		key := f.Function
		if key == "" {
			key = printed(f)
		}
		if sums[key] == nil {
			sums[key] = &sum{stack: s}
		}
		sums[key].amount += amount(s)
		if most == nil || sums[key].amount > most.amount {
			most = sums[key]
		}
	}
	if most == nil {
		return nil, nil, 0
	}
	own, caller = ownAndCaller(most.stack.Frames, most.stack.OwnFrame)
	if all > 0 {
		part = most.amount / all
	}
	return own, caller, part
}
