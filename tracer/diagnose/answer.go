package diagnose

import (
	"memtrace/tracer/diagnose/answer"
	"memtrace/tracer/process/target"
	"memtrace/tracer/report"
)

// answer groups, judges and sorts the stacks, puts them into the report, and says what they mean.
func (d *diagnosis) answer(r *report.Report, opt Options) {
	d.Known.VM.Stacks = nil // names take memory, too
	d.nameMost()
	d.reserve()
	d.suppress(d.stacks)
	r.Stacks = answer.Group(d.stacks)
	d.stacks = nil
	e := d.evidence(r)
	e.Judge()
	d.nameAtOnce(r.Stacks, namedAtOnce, func(s *report.Stack) bool { return s.LeakBytesPerSecond > 0 })
	order(r.Stacks, opt.Sort)
	d.freeSides(r.Stacks)
	r.Diagnosis = answer.Of(e)
	d.leaveForLater(r, e)
	d.forecast(r.Diagnosis, e)
	d.setAside(r)
	if d.exact() {
		r.Modules = report.Modules(r.Stacks, d.hasNoFrames)
	}
	d.hide(r)
}

// hasNoFrames reports whether there is nothing to name of a stack.
func (d *diagnosis) hasNoFrames(s *report.Stack) bool {
	addresses, _, _ := d.Known.Frames(stackOf(s.ID))
	return s.GivenUpStacks > 0 || len(addresses) == 0
}

// nameMost names the stacks that may matter: those that hold most, and those that grow fastest.
func (d *diagnosis) nameMost() {
	for _, by := range []Order{ByGrowth, BySize} {
		order(d.stacks, by)
		d.nameAtOnce(d.stacks, namedAtOnce/2, func(*report.Stack) bool { return true })
	}
}

// nameAtOnce names the first n of the stacks that are such, unless they have names.
func (d *diagnosis) nameAtOnce(stacks []report.Stack, n int, such func(*report.Stack) bool) {
	for i := range stacks {
		if n == 0 {
			return
		}
		if s := &stacks[i]; such(s) {
			n--
			if s.Frames == nil {
				d.name(s)
			}
		}
	}
}

// evidence collects what an answer is made from.
func (d *diagnosis) evidence(r *report.Report) *answer.Evidence {
	e := &answer.Evidence{
		Report: r, Allocators: len(d.Target.Objects), Young: d.Known.Heap.Young.Bytes, Seconds: r.DurationSeconds,
		Allocator: d.Allocators.only(), Several: d.several, Defines: d.Symbols.Defines, Bare: d.Symbols.Bare(),
	}
	named := d.Target.Names()
	e.Named, e.NamedBy = named.Has, named
	if d.Space != nil && d.Space.Restarted {
		e.Seconds = d.Space.End.Sub(d.Space.Start).Seconds()
	}
	if d.Split != nil && d.Facts.Kept != nil {
		d.kept(e)
	}
	for _, old := range d.Known.Heap.Old {
		e.OldFreed.Bytes += old.Bytes
		e.OldFreed.Blocks += old.Blocks
	}
	e.OldUnsized = d.Known.Heap.OldUnsized
	d.around(e)
	return e
}

// onlyFamily returns the allocator of some whose family is known, "" if there is not exactly one.
func onlyFamily(families []target.Family) (only string) {
	for _, f := range families {
		switch {
		case f == target.Unknown || f == target.NamedByUser:
		case only != "":
			return ""
		default:
			only = string(f)
		}
	}
	return only
}

// forecast says when the nearest limit is reached.
func (d *diagnosis) forecast(made *report.Diagnosis, e *answer.Evidence) {
	rates := ratesOf(d.Space)
	// A leak that was counted is known better than what is resident.
	if f := &made.Findings[0]; f.Kind == report.Leak && f.Confidence != answer.Possible && rates.Resident.Low <= 0 {
		rates.Resident = f.BytesPerSecond
	}
	for i := range e.Children {
		if c := &e.Children[i]; c.Growing && !c.Exited && c.BytesPerSecond > 0 {
			rates.others(c.BytesPerSecond)
		}
	}
	const farOff = 30 * 24 * 3600 // seconds
	if at := deadline(d.Limits, rates); at != nil && at.Seconds.Value < farOff && made.Findings[0].BytesPerSecond.Value > 0 {
		at.Text = deadlineText(at, d.Limits)
		made.Deadline = at
	}
}

// around adds what was seen of the process from outside.
func (d *diagnosis) around(e *answer.Evidence) {
	k := &d.Kin
	e.Followed = d.Followed
	if k.Polls == 0 {
		return
	}
	for i := range k.Children {
		c := &k.Children[i]
		e.Children = append(e.Children, report.Child{
			PID: c.PID, Command: c.Command, ResidentBytes: uint64(max(c.Resident, 0)), GrowthBytes: c.Growth,
			BytesPerSecond: c.Rate(), Growing: c.Grows(), Seconds: c.Watched.Seconds(), Exited: c.Exited,
		})
	}
	e.Threads, e.ThreadsGrowing = k.Threads.Now, k.Threads.Fit.Growing()
	held := k.Stopped
	// memtrace itself holds a command until its probes are in place.
	debugged := d.Debugger != "" || d.Debuggers != ""
	if debugged {
		held += k.Traced
	}
	e.Held = answer.Held{
		Now: k.State == 'T' || debugged && k.State == 't', Debugged: debugged && k.Traced > 0,
		Part: float64(held) / float64(k.Polls), Debugger: d.Debugger,
	}
}

// kept adds what malloc keeps free, now and when the trace began. What threads keep in their
// caches is free as well, since the program has given it back. It counts if it is known of both
// times.
func (d *diagnosis) kept(e *answer.Evidence) {
	now, ok := d.Facts.Kept()
	if !ok {
		return
	}
	e.Kept = &answer.Kept{System: now.System, Free: now.Free, Complete: now.Complete, Arenas: now.Arenas}
	if d.KeptFirst == nil {
		return
	}
	first, ok := d.KeptFirst()
	if !ok {
		return
	}
	e.KeptFirst = &answer.Kept{System: first.System, Free: first.Free, Complete: first.Complete, Arenas: first.Arenas}
	if now.CachedKnown && first.CachedKnown {
		e.Kept.Free += now.Cached
		e.KeptFirst.Free += first.Cached
	}
}
