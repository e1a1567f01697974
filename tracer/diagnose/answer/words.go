package answer

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"memtrace/tracer/report"
)

// words puts findings into words: predicates, whose subject is the process.
type words struct {
	*Evidence
	// all are the findings, the most important first.
	all      []*found
	accounts []report.Account
}

// first reports whether a finding is the answer.
func (w *words) first(f *found) bool { return f == w.all[0] }

func (w *words) text(f *found) string {
	text := w.predicate(f)
	if w.first(f) && f.BytesPerSecond.Value == 0 && f.Kind != report.Held && f.Kind != report.TooShort && w.hides() {
		text += ", but for what is suppressed"
	}
	return text
}

// hides reports whether there would be more to say if nothing was suppressed.
func (w *words) hides() bool {
	return slices.ContainsFunc(w.Report.Stacks, func(s report.Stack) bool {
		return s.Suppressed != "" && (leaking(&s) || possible(&s) || w.Report.Target.Exited && s.Bytes > 0)
	})
}

func (w *words) predicate(f *found) string {
	switch f.Kind {
	case report.Leak, report.ActiveLeak, report.Pool, report.UnjoinedThreads:
		return w.leak(f)
	case report.NeverFreed:
		return fmt.Sprintf("ended with %s in %s that were never freed: %s", report.Size(f.Bytes),
			report.Counted(f.Blocks, "block", "blocks"), where(f))
	case report.CacheFills:
		return w.filled(f)
	case report.CacheReplaces:
		if w.first(f) {
			return "does not grow: it replaces blocks from before the trace, " + where(f)
		}
		return "allocates as much as it frees from before the trace: " + where(f)
	case report.KeepsFree:
		return w.free(f)
	case report.Reserved:
		if f.BytesPerSecond.Value > 0 {
			return fmt.Sprintf("maps %s of addresses without memory of its own: %s", rateText(f), where(f))
		}
		return w.still(f) + fmt.Sprintf("has %s of addresses reserved, without memory of its own: %s", report.Size(f.Bytes), where(f))
	case report.FilePages:
		return "grows " + rateText(f) + " in pages of files that it maps, which the kernel takes back when memory is short"
	case report.UnknownAllocator:
		return "grows " + rateText(f) + " in memory of an allocator that is not traced" + touchedIn(f)
	case report.Unexplained:
		return w.unexplained(f) + touchedIn(f)
	case report.Children:
		return w.children(f)
	case report.Held:
		return w.held()
	case report.TooShort:
		return w.short()
	}
	return w.nothing()
}

func (w *words) leak(f *found) string {
	rate := rateText(f)
	verb := "leaks "
	if w.Report.Target.Exited {
		verb = "leaked "
	}
	switch {
	case f.Kind == report.ActiveLeak:
		verb, rate = "grows ", rate+" in blocks that it still writes to"
	case f.Kind == report.Pool:
		verb, rate = "grows ", rate+" in "+f.Memory
		if f.Confidence == Possible && len(f.stacks) > 0 {
			verb = "may grow "
		}
	case f.Confidence == Possible:
		verb = "may leak "
	}
	if f.Kind == report.UnjoinedThreads {
		rate += " in stacks of threads that ended and were never joined"
	}
	switch {
	case f.Kind == report.Pool && f.StacksTotal == 0:
		return verb + rate + ", most likely: no stack that was traced mapped it"
	case f.Kind == report.Pool:
		return verb + rate + "; the stacks are of whoever needed more room there"
	}
	return verb + rate + ": " + where(f)
}

// where says where a finding's memory comes from.
func where(f *found) string {
	if f.Culprit == nil {
		return "its stacks are unknown"
	}
	most := "all"
	if f.Share < 0.995 {
		most = fmt.Sprintf("%.0f %%", 100*f.Share)
	}
	const minority = 0.5
	if f.Share >= minority || len(f.stacks) < 2 {
		return most + " in " + site(f)
	}
	if through := through(f.stacks); through != nil && through.Function != f.Culprit.Function {
		return fmt.Sprintf("%d of %d stacks pass through %s, the largest part (%s) in %s", f.StacksTotal, f.StacksTotal, placed(through), most, name(f.Culprit))
	}
	return fmt.Sprintf("%d stacks, the largest part (%s) in %s", f.StacksTotal, most, site(f))
}

// site is the culprit and its caller.
func site(f *found) string { return Site(f.Culprit, f.Caller) }

// Site puts a culprit and its caller into words. caller may be nil.
func Site(culprit, caller *report.Frame) string {
	text := name(culprit)
	if caller != nil {
		text += " < " + name(caller)
	}
	return text + source(culprit)
}

// touchedIn says who touches memory first that has no stack, "" if that is not known.
func touchedIn(f *found) string {
	if f.Culprit == nil {
		return ""
	}
	return fmt.Sprintf(": %.0f %% first touched in %s", 100*f.Share, site(f))
}

func placed(f *report.Frame) string { return name(f) + source(f) }

// maxName is how many characters of a function's name a sentence has room for.
const maxName = 60

func name(f *report.Frame) string {
	if f.Function != "" {
		return report.ShortName(f.Function, maxName)
	}
	return f.Place()
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

func rateText(f *found) string {
	b := f.BytesPerSecond
	if b.Low == b.High {
		return report.Rate(b.Value)
	}
	return report.RateWithin(b.Value, b.Low, b.High)
}

// filled says since when what was allocated is merely held.
func (w *words) filled(f *found) string {
	if !w.first(f) {
		return fmt.Sprintf("holds %s that were allocated at once, %s", report.Size(f.Bytes), where(f))
	}
	text := fmt.Sprintf("%s were allocated and are held, %s", report.Size(f.Bytes), where(f))
	if quiet := since(f.stacks); quiet > 0 {
		return "has not grown for " + report.Seconds(quiet) + ": " + text
	}
	return "does not grow: " + text
}

func (w *words) free(f *found) string {
	k := w.Kept
	arenas := ""
	if k.Arenas > 1 {
		arenas = fmt.Sprintf(" in %d arenas", k.Arenas)
	}
	if f.BytesPerSecond.Value > 0 {
		return "grows " + rateText(f) + " in free memory that malloc keeps" + arenas
	}
	text := fmt.Sprintf("malloc keeps %s of its %s free%s", report.Size(k.Free), report.Size(k.System), arenas)
	switch {
	case !w.first(f):
		return "has free memory: " + text
	case w.windows():
		return "does not leak as far as seen: " + text
	}
	return "does not grow: " + text
}

func (w *words) unexplained(f *found) string {
	text := "grows " + rateText(f) + " in " + f.Memory
	switch {
	case strings.HasSuffix(f.Memory, keptUnknown):
	case len(w.of(leaking)) > 0:
		text += ", by no stack that is known"
	case !w.windows():
		text += ", by no stack that was traced"
	default:
		text += ", and no stack is certain to leak yet"
	}
	return text
}

func (w *words) children(f *found) string {
	text := w.still(f) + "has " + report.Counted(uint64(len(f.Children)), "child that grows", "children that grow") + " by " + report.Rate(f.BytesPerSecond.Value)
	sep := ": "
	for _, c := range f.Children[:min(len(f.Children), mostChildren)] {
		text += fmt.Sprintf("%spid %d %s", sep, c.PID, report.Rate(c.BytesPerSecond))
		sep = ", "
	}
	if len(f.Children) > mostChildren {
		text += ", ..."
	}
	return text
}

// still begins what is said of a process that does not grow itself, if that is said first.
func (w *words) still(f *found) string {
	grows := slices.ContainsFunc(w.all, func(f *found) bool { return f.Kind != report.Children && f.BytesPerSecond.Value > 0 })
	switch {
	case !w.first(f) || grows:
		return ""
	case w.windows():
		return "does not leak as far as seen; it "
	}
	return "does not grow; it "
}

func (w *words) held() string {
	h := w.Held
	be := "is "
	if !h.Now {
		be = "was "
	}
	how := be + "stopped"
	switch {
	case h.Debugger != "":
		how = be + "held by " + h.Debugger
	case h.Debugged:
		how = be + "held by a debugger"
	}
	if h.Part < 0.995 {
		how += fmt.Sprintf(" for %.0f %% of the time", 100*h.Part)
	}
	return how + ": what it does when it runs is unknown"
}

func (w *words) short() string {
	r := w.Report
	switch {
	case !w.windows():
		return fmt.Sprintf("was traced for %s, too short to tell what grows", report.Seconds(w.Seconds))
	case r.Sampling.Execs > 0:
		return "has executed another program, and no window of time is over since: what leaks is unknown"
	}
	return fmt.Sprintf("was watched for %s, too short to tell what leaks: no window of time counts yet", report.Seconds(r.DurationSeconds))
}

func (w *words) nothing() string {
	r := w.Report
	long := report.Seconds(w.Seconds)
	// What is larger, without a trend or a stack, stands in the account below.
	does := "does not grow"
	if len(w.accounts) > 0 {
		does = "does not grow steadily"
	}
	switch {
	case w.windows():
		return fmt.Sprintf("does not leak as far as seen: no stack is called a leak by %s in %s", report.Counted(uint64(max(r.Sampling.Windows, 0)), "window", "windows"), long)
	case r.Target.Exited && !w.growth():
		return fmt.Sprintf("ended after %s and had freed all that it allocated while traced", long)
	case w.growth():
		return fmt.Sprintf("%s: in %s no system call added memory steadily", does, long)
	case r.Memory == nil:
		return fmt.Sprintf("does not leak as far as seen: in %s no stack kept adding memory, and its address space could not be read", long)
	case r.Events.Alloc+r.Events.Realloc+r.Events.Mmap == 0:
		return fmt.Sprintf("%s: in %s it allocated nothing", does, long)
	}
	return fmt.Sprintf("%s: in %s no stack kept adding memory", does, long)
}
