package answer

import (
	"fmt"
	"math"

	"memtrace/tracer/report"
)

// steady returns findings on what does not grow, or not any more.
func (e *Evidence) steady(accounts []report.Account) (found []report.Finding) {
	if !e.tooShort() && !e.windows() && !e.Report.Target.Exited {
		found = append(found, e.classFinding(report.CacheFills, report.ClassFilled, leastFilled)...)
		found = append(found, e.classFinding(report.CacheReplaces, report.ClassReplaces, leastReplaced)...)
	}
	found = append(found, e.classFinding(report.Reserved, report.ClassReserved, leastReserved)...)
	for _, f := range accounts {
		for _, t := range f.Terms {
			if t.Kind == report.TermKeptFree && t.Bytes > 0 {
				return found // it is said already where it matters
			}
		}
	}
	if k := e.Kept; k != nil && k.Free >= leastFree && float64(k.Free) >= freePart*float64(k.System) {
		f := report.Finding{Kind: report.KeepsFree, Confidence: Certain, Bytes: k.Free, Stacks: []string{}}
		e.describeFree(&f)
		found = append(found, f)
	}
	return found
}

// classFinding returns a finding on the stacks of a class, none if they hold too little.
func (e *Evidence) classFinding(kind report.FindingKind, class report.StackClass, least uint64) []report.Finding {
	stacks := e.of(func(s *report.Stack) bool { return s.Class == class && e.poolOf(s) != &growingHeap })
	if len(stacks) == 0 {
		return nil
	}
	f := report.Finding{Kind: kind, Confidence: Certain, Stacks: []string{}}
	e.blame(&f, stacks)
	if kind == report.CacheFills && since(stacks) < minSeconds {
		f.Confidence = Likely // it may only have paused
	}
	if kind == report.Reserved {
		f.BytesPerSecond = exactly(e.addresses(stacks))
		f.Culprit, f.Caller, f.Share = e.culprit(stacks, func(s *report.Stack) float64 { return float64(s.Bytes) })
	}
	if f.Bytes < least {
		return nil
	}
	return []report.Finding{f}
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
		if s.GrowthBytesPerSecond*e.seconds() >= steady*float64(s.Bytes) && s.Blocks > 2 {
			rate += s.GrowthBytesPerSecond
		}
	}
	if e.tooShort() {
		return 0
	}
	return rate
}

// limits returns findings on what keeps the report from telling more.
func (e *Evidence) limits() (found []report.Finding) {
	if h := e.Held; h.Now || h.Part > mostlyHeld {
		f := report.Finding{Kind: report.Held, Confidence: Certain, Stacks: []string{}, Share: h.Part}
		switch {
		case !h.Now:
			f.Next = "Trace again while it runs."
		case h.Debugged || h.Debugger != "":
			f.Next = "Let the debugger continue the process, and trace again."
		default:
			f.Next = fmt.Sprintf("Continue it (kill -CONT %d), and trace again.", e.Report.Target.PID)
		}
		found = append(found, f)
	}
	if e.tooShort() && (!e.Report.Target.Exited || e.windows()) {
		f := report.Finding{Kind: report.TooShort, Confidence: Certain, Stacks: []string{}, Next: "Trace for 10 s or longer."}
		if e.windows() {
			f.Next = fmt.Sprintf("Trace for a minute or longer: the first windows count after %.0f s.", math.Ceil(e.Report.Sampling.MaturitySeconds))
		}
		found = append(found, f)
	}
	return found
}

// mostlyHeld is the part of the time for which a process must have been held for that to be the
// answer.
const mostlyHeld = 0.5

func (e *Evidence) nothing() report.Finding {
	f := report.Finding{Kind: report.Nothing, Confidence: Certain, Stacks: []string{}}
	if e.windows() {
		f.Confidence = Likely
		f.Next = "A slow leak needs more evidence: trace for longer, or with --exact."
	}
	return f
}
