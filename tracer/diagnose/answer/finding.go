package answer

import (
	"cmp"
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

// Of returns the diagnosis of a report, without its deadline.
func Of(e *Evidence) *report.Diagnosis {
	d := &report.Diagnosis{Accounts: e.accounts(), Findings: []report.Finding{}}
	if d.Accounts == nil {
		d.Accounts = []report.Account{}
	}
	add := func(f ...report.Finding) { d.Findings = append(d.Findings, f...) }
	add(e.ofStacks()...)
	add(e.ofAccounts(d.Accounts)...)
	add(e.ofChildren()...)
	add(e.steady(d.Accounts)...)
	add(e.limits()...)
	if len(d.Findings) == 0 {
		add(e.nothing())
	}
	slices.SortStableFunc(d.Findings, func(a, b report.Finding) int {
		return cmp.Or(cmp.Compare(rank(&a), rank(&b)), cmp.Compare(e.weigh(&b), e.weigh(&a)), cmp.Compare(b.Bytes, a.Bytes))
	})
	d.Through = through(e.leaks())
	for i := range d.Findings {
		f := &d.Findings[i]
		e.put(f, d, through(e.of(func(s *report.Stack) bool { return slices.Contains(f.Stacks, s.ID) })))
	}
	d.Answer = Sentence(&e.Report.Target, d.Findings[0].Text)
	return d
}

// rank orders the findings: first what makes the others doubtful, then what grows, then what does
// not.
func rank(f *report.Finding) int {
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
func (e *Evidence) weigh(f *report.Finding) float64 {
	n := f.BytesPerSecond.Value
	switch {
	case f.Kind == report.Reserved:
		return n / 1000 // addresses are cheap
	case f.Kind == report.Unexplained && e.windows():
		return n / 100 // estimates may be low, and have a stack
	case f.Kind == report.Unexplained, f.Kind == report.KeepsFree:
		return n / 4
	case f.Confidence == Possible:
		return n / 2
	}
	return n
}

// leaks returns the stacks that are called leaks.
func (e *Evidence) leaks() (list []*report.Stack) {
	for i := range e.Report.Stacks {
		if s := &e.Report.Stacks[i]; leaking(s) {
			list = append(list, s)
		}
	}
	return list
}

// group is the stacks of one finding.
type group struct {
	kind   report.FindingKind
	stacks []*report.Stack
	pool   *pool
}

// ofStacks returns the findings that are stacks whose memory adds up.
func (e *Evidence) ofStacks() (found []report.Finding) {
	if e.tooShort() {
		return e.neverFreed()
	}
	groups := make(map[string]*group)
	var order []string
	put := func(kind report.FindingKind, p *pool, s *report.Stack) {
		key := string(kind)
		if p != nil {
			key += p.name
		}
		if groups[key] == nil {
			groups[key] = &group{kind: kind, pool: p}
			order = append(order, key)
		}
		groups[key].stacks = append(groups[key].stacks, s)
	}
	var unsure []*report.Stack
	for i := range e.Report.Stacks {
		s := &e.Report.Stacks[i]
		p := e.poolOf(s)
		switch {
		case !leaking(s) && !possible(s):
		case p != nil:
			put(report.Pool, p, s)
		case madeThread(s):
			put(report.UnjoinedThreads, nil, s)
		case !leaking(s):
			unsure = append(unsure, s)
		case s.Estimate != nil && s.Estimate.Class == "active leak":
			put(report.ActiveLeak, nil, s)
		default:
			put(report.Leak, nil, s)
		}
	}
	for _, key := range order {
		found = append(found, e.finding(groups[key]))
	}
	if len(unsure) > 0 {
		f := e.finding(&group{kind: report.Leak, stacks: unsure})
		f.Confidence = Possible
		found = append(found, f)
	}
	if len(found) == 0 {
		found = e.neverFreed()
	}
	return found
}

// finding sums up stacks.
func (e *Evidence) finding(g *group) report.Finding {
	f := report.Finding{Kind: g.kind, Confidence: Certain, StacksTotal: len(g.stacks), Stacks: []string{}}
	slices.SortStableFunc(g.stacks, func(a, b *report.Stack) int { return cmp.Compare(rate(b), rate(a)) })
	var low, high float64
	for _, s := range g.stacks {
		r := s.LeakBytesPerSecond
		b := report.Bounds{Value: r, Low: r, High: r}
		if est := s.Estimate; est != nil {
			n := e.rounding(est)
			b = report.Bounds{Value: est.LeakBytesPerSecond.Value * n, Low: est.LeakBytesPerSecond.Low * n, High: est.LeakBytesPerSecond.High * n}
			if est.Confidence < 0.99 {
				f.Confidence = Likely
			}
		}
		f.BytesPerSecond.Value += b.Value
		low += (b.Value - b.Low) * (b.Value - b.Low)
		high += (b.High - b.Value) * (b.High - b.Value)
		f.Bytes += s.Taken()
		if len(f.Stacks) < mostStacks {
			f.Stacks = append(f.Stacks, s.ID)
		}
	}
	f.BytesPerSecond = around(f.BytesPerSecond.Value, low, high)
	if f.Confidence == Certain && (e.Report.DurationSeconds < 2*minSeconds || !e.Report.Complete) {
		f.Confidence = Likely
	}
	f.Culprit, f.Caller, f.Share = e.culprit(g.stacks, rate)
	if g.kind == report.UnjoinedThreads {
		e.asThreads(&f, g)
	}
	if g.pool != nil {
		f.Next, f.Memory = g.pool.next, g.pool.name
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
	frames := most.stack.Frames[most.stack.OwnFrame:]
	own = &frames[0]
	for i := range frames[1:] {
		if f := &frames[1+i]; f.Function != own.Function && f.Function != "" {
			caller = f
			break
		}
	}
	if caller != nil && caller.Library {
		caller = nil
	}
	if all > 0 {
		part = most.amount / all
	}
	return own, caller, part
}
