package answer

import (
	"fmt"
	"math"
	"slices"

	"memtrace/tracer/report"
)

// steady returns findings on what does not grow, or not any more, beside the others.
func (e *Evidence) steady(others []*found) (all []*found) {
	add := func(f *found, least uint64) {
		if f != nil && f.Bytes >= least {
			all = append(all, f)
		}
	}
	if !e.tooShort() && !e.windows() && !e.Report.Target.Exited {
		filled := e.holding(report.CacheFills, func(s *report.Stack) bool { return s.Class == report.ClassFilled && !e.growsHeap(s) })
		if filled != nil && since(filled.stacks) < minSeconds {
			filled.Confidence = Likely // it may only have paused
		}
		add(filled, leastFilled)
		add(e.holding(report.CacheReplaces, func(s *report.Stack) bool { return s.Class == report.ClassReplaces }), leastReplaced)
	}
	if f := e.holding(report.Reserved, func(s *report.Stack) bool { return s.Class == report.ClassReserved }); f != nil {
		f.BytesPerSecond = exactly(e.addresses(f.stacks))
		f.Culprit, f.Caller, f.Share = e.culprit(f.stacks, func(s *report.Stack) float64 { return float64(s.Bytes) })
		add(f, leastReserved)
	}
	said := slices.ContainsFunc(others, func(f *found) bool { return f.Kind == report.KeepsFree })
	if k := e.Kept; k != nil && !said && float64(k.Free) >= freePart*float64(k.System) {
		f := find(report.KeepsFree)
		f.Bytes = k.Free
		e.describeFree(f)
		add(f, leastFree)
	}
	return all
}

// since returns the age of the youngest block of some stacks, in seconds.
func since(stacks []*report.Stack) float64 {
	youngest := math.Inf(1)
	for _, s := range stacks {
		youngest = min(youngest, s.YoungestSeconds)
		if s.YoungBytes > 0 {
			youngest = 0
		}
	}
	return youngest
}

// addresses returns how fast stacks reserve addresses, 0 if they do not do so all the time.
func (e *Evidence) addresses(stacks []*report.Stack) (rate float64) {
	for _, s := range stacks {
		if s.Blocks >= leastBlocks && !e.tooShort() && s.GrowthBytesPerSecond*e.seconds() >= steady*float64(s.Bytes) {
			rate += s.GrowthBytesPerSecond
		}
	}
	return rate
}

// doubts returns findings on what keeps the report from telling more.
func (e *Evidence) doubts() (all []*found) {
	if h := e.Held; h.Now || h.Part > mostlyHeld {
		f := find(report.Held)
		f.Share = h.Part
		switch {
		case !h.Now:
			f.Next = "Trace again while it runs."
		case h.Debugged:
			f.Next = "Let the debugger continue the process, and trace again."
		default:
			f.Next = fmt.Sprintf("Continue it (kill -CONT %d), and trace again.", e.Report.Target.PID)
		}
		all = append(all, f)
	}
	if e.tooShort() && (!e.Report.Target.Exited || e.windows()) {
		f := find(report.TooShort)
		f.Next = "Trace for 10 s or longer."
		if e.windows() {
			f.Next = fmt.Sprintf("Trace for a minute or longer: the first windows count after %.0f s.", math.Ceil(e.Report.Sampling.MaturitySeconds))
		}
		all = append(all, f)
	}
	return all
}

// mostlyHeld is the part of the time for which a process must have been held for that to be the
// answer.
const mostlyHeld = 0.5

// nothing returns the finding of a process in which nothing else was found.
func (e *Evidence) nothing() *found {
	f := find(report.Nothing)
	if !e.Report.Complete || e.Report.Memory == nil {
		f.Confidence = Likely
	}
	if e.windows() {
		f.Confidence = Likely
		f.Next = "A slow leak needs more evidence: trace for longer, or with --exact."
	}
	return f
}
