package answer

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"memtrace/tracer/report"
)

// put puts a finding into words: a predicate, whose subject is the process.
func (e *Evidence) put(f *report.Finding, d *report.Diagnosis, through *report.Frame) {
	switch f.Kind {
	case report.Leak, report.ActiveLeak, report.Pool, report.UnjoinedThreads:
		f.Text = e.leakText(f, through)
	case report.NeverFreed:
		f.Text = fmt.Sprintf("ended with %s in %s that were never freed: %s", report.Size(f.Bytes),
			counted(f.Blocks, "block", "blocks"), where(f, nil))
	case report.CacheFills:
		f.Text = fmt.Sprintf("holds %s that were allocated at once, %s", report.Size(f.Bytes), where(f, nil))
		if f != &d.Findings[0] {
			break
		}
		held := fmt.Sprintf("%s were allocated and are held, %s", report.Size(f.Bytes), where(f, nil))
		f.Text = "does not grow: " + held
		if still := since(e.of(func(s *report.Stack) bool { return slices.Contains(f.Stacks, s.ID) })); still > 0 {
			f.Text = "has not grown for " + report.Seconds(still) + ": " + held
		}
	case report.CacheReplaces:
		f.Text = "allocates as much as it frees from before the trace: " + where(f, nil)
		if f == &d.Findings[0] {
			f.Text = "does not grow: it replaces blocks from before the trace, " + where(f, nil)
		}
	case report.KeepsFree:
		f.Text = e.freeText(f, f == &d.Findings[0])
	case report.Reserved:
		f.Text = e.still(d, f) + fmt.Sprintf("has %s of addresses reserved, which take no memory: %s", report.Size(f.Bytes), where(f, nil))
		if f.BytesPerSecond.Value > 0 {
			f.Text = fmt.Sprintf("maps %s of addresses that take no memory: %s", rateText(f), where(f, nil))
		}
	case report.UnknownAllocator:
		f.Text = "grows " + rateText(f) + " in memory of an allocator that is not traced"
	case report.Unexplained:
		f.Text = e.unexplainedText(f)
	case report.Children:
		f.Text = e.childrenText(f, d)
	case report.Held:
		f.Text = e.heldText()
	case report.TooShort:
		f.Text = e.shortText()
	case report.Nothing:
		f.Text = e.nothingText()
	}
}

// Sentence returns the answer: the process and what is said of it.
func Sentence(t *report.Target, predicate string) string {
	return fmt.Sprintf("%s (pid %d) %s", t.Command, t.PID, predicate)
}

func (e *Evidence) leakText(f *report.Finding, through *report.Frame) string {
	rate := rateText(f)
	if f.StacksTotal < 2 {
		through = nil
	}
	verb := "leaks "
	if e.Report.Target.Exited {
		verb = "leaked "
	}
	switch {
	case f.Kind == report.ActiveLeak:
		verb, rate = "grows ", rate+" in blocks that it still writes to"
	case f.Kind == report.Pool:
		verb, rate = "grows ", rate+" in "+f.Memory
	case f.Kind == report.UnjoinedThreads:
		rate += " in stacks of threads that ended and were never joined"
	case f.Confidence == Possible:
		verb = "may leak "
	}
	switch {
	case f.Kind == report.Pool && f.StacksTotal == 0:
		return verb + rate + ", most likely: no stack that was traced mapped it"
	case f.Kind == report.Pool:
		return verb + rate + "; the stacks are of whoever needed more room there"
	}
	return verb + rate + ": " + where(f, through)
}

// where says where a finding's memory comes from.
func where(f *report.Finding, through *report.Frame) string {
	if f.Culprit == nil {
		return "its stacks are unknown"
	}
	most := "all"
	if f.Share < 0.995 {
		most = fmt.Sprintf("%.0f %%", 100*f.Share)
	}
	const minority = 0.5
	switch {
	case f.Share >= minority || f.StacksTotal < 2:
		return most + " in " + site(f)
	case through != nil && through.Function != f.Culprit.Function:
		return fmt.Sprintf("%d of %d stacks pass through %s, the largest part (%s) in %s", f.StacksTotal, f.StacksTotal, placed(through), most, name(f.Culprit))
	}
	return fmt.Sprintf("%d stacks, the largest part (%s) in %s", f.StacksTotal, most, site(f))
}

// site is the culprit and its caller.
func site(f *report.Finding) string {
	text := name(f.Culprit)
	if f.Caller != nil {
		text += " < " + name(f.Caller)
	}
	return text + source(f.Culprit)
}

func placed(f *report.Frame) string { return name(f) + source(f) }

// maxName is how many characters of a function's name a sentence has room for.
const maxName = 60

func name(f *report.Frame) string {
	switch {
	case f.Function != "":
		return report.ShortName(f.Function, maxName)
	case f.Module != "":
		return fmt.Sprintf("%s+0x%x", path.Base(f.Module), f.Offset)
	}
	return fmt.Sprintf("0x%x", f.Address)
}

// source names the line of a frame, or else the object of a named function.
func source(f *report.Frame) string {
	switch {
	case f.File != "" && f.Line > 0:
		return fmt.Sprintf(" (%s:%d)", path.Base(f.File), f.Line)
	case f.Function != "" && f.Module != "":
		return " (" + path.Base(f.Module) + ")"
	}
	return ""
}

func rateText(f *report.Finding) string {
	b := f.BytesPerSecond
	if b.Low == b.High {
		return report.Rate(b.Value)
	}
	return report.RateWithin(b.Value, b.Low, b.High)
}

func (e *Evidence) freeText(f *report.Finding, first bool) string {
	k := e.Kept
	arenas := ""
	if k != nil && k.Arenas > 1 {
		arenas = fmt.Sprintf(" in %d arenas", k.Arenas)
	}
	if f.BytesPerSecond.Value > 0 {
		return "grows " + rateText(f) + " in free memory that malloc keeps" + arenas
	}
	text := fmt.Sprintf("malloc keeps %s of its %s free%s", report.Size(k.Free), report.Size(k.System), arenas)
	switch {
	case !first:
		return "has free memory: " + text
	case e.windows():
		return "does not leak as far as seen: " + text
	}
	return "does not grow: " + text
}

func (e *Evidence) unexplainedText(f *report.Finding) string {
	text := "grows " + rateText(f) + " in " + f.Memory
	if strings.HasSuffix(f.Memory, keptUnknown) {
		return text
	}
	if len(e.leaks()) > 0 {
		return "grows " + rateText(f) + " in " + f.Memory + ", by no stack that is known"
	}
	if e.windows() {
		text += ", and no stack is certain to leak yet"
		if f.Culprit != nil {
			text += "; most often it grew for " + site(f)
		}
		return text
	}
	return text + ", by no stack that was traced"
}

func (e *Evidence) childrenText(f *report.Finding, d *report.Diagnosis) string {
	text := e.still(d, f) + "has " + counted(uint64(len(f.Children)), "child that grows", "children that grow") + " by " + report.Rate(f.BytesPerSecond.Value)
	const most = 3
	for i, c := range f.Children[:min(len(f.Children), most)] {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		text += fmt.Sprintf("%spid %d %s", sep, c.PID, report.Rate(c.BytesPerSecond))
	}
	if len(f.Children) > most {
		text += ", ..."
	}
	return text
}

// still begins what is said of a process that does not grow itself, if that is said first.
func (e *Evidence) still(d *report.Diagnosis, f *report.Finding) string {
	switch {
	case f != &d.Findings[0] || alsoGrows(d):
		return ""
	case e.windows():
		return "does not leak as far as seen; it "
	}
	return "does not grow; it "
}

// alsoGrows reports whether the process itself grows, too.
func alsoGrows(d *report.Diagnosis) bool {
	for i := range d.Findings {
		if f := &d.Findings[i]; f.Kind != report.Children && f.BytesPerSecond.Value > 0 {
			return true
		}
	}
	return false
}

func (e *Evidence) heldText() string {
	h := e.Held
	how := "is stopped"
	switch {
	case h.Debugger != "":
		how = "is held by " + h.Debugger
	case h.Debugged:
		how = "is held by a debugger"
	}
	if !h.Now {
		how = strings.Replace(how, "is ", "was ", 1)
	}
	if h.Part < 0.995 {
		how += fmt.Sprintf(" for %.0f %% of the time", 100*h.Part)
	}
	return how + ": what it does when it runs is unknown"
}

func (e *Evidence) shortText() string {
	r := e.Report
	if e.windows() {
		if r.Sampling.Execs > 0 {
			return "has executed another program, and no window of time is over since: what leaks is unknown"
		}
		return fmt.Sprintf("was watched for %s, too short to tell what leaks: no window of time counts yet", report.Seconds(r.DurationSeconds))
	}
	return fmt.Sprintf("was traced for %s, too short to tell what grows", report.Seconds(r.DurationSeconds))
}

func (e *Evidence) nothingText() string {
	r := e.Report
	long := report.Seconds(r.DurationSeconds)
	switch {
	case e.windows():
		return fmt.Sprintf("does not leak as far as seen: no stack is called a leak by %s in %s", counted(uint64(max(r.Sampling.Windows, 0)), "window", "windows"), long)
	case r.Target.Exited && !e.growth():
		return fmt.Sprintf("ended after %s and had freed all that it allocated while traced", long)
	case e.growth():
		return fmt.Sprintf("does not grow: in %s no system call added memory steadily", long)
	case r.Events.Alloc+r.Events.Realloc+r.Events.Mmap == 0:
		return fmt.Sprintf("does not grow: in %s it allocated nothing", long)
	}
	return fmt.Sprintf("does not grow: in %s no stack kept adding memory", long)
}
