package serve

import (
	"cmp"
	"io"
	"slices"
	"strconv"

	"memtrace/tracer/report"
)

// addFunc adds a sample of a process.
type addFunc func(value float64, labels ...string)

// scraped is a report with its stacks that leak.
type scraped struct {
	*report.Report
	leaking []leakingStack
}

// metrics are all, with what they take from the report of a process. What a report does not know is
// left out: a missing sample is not a 0.
var metrics = []struct {
	name, kind, help string
	of               func(r *scraped, add addFunc)
}{
	{"memtrace_info", "gauge", "1. How the process is traced: mode exact (every call) or windows (figures are estimates).", func(r *scraped, add addFunc) {
		add(1, "mode", r.Mode, "allocator", report.Escape(r.Target.Allocator))
	}},
	{"memtrace_traced_seconds", "gauge", "For how long the process is traced.", func(r *scraped, add addFunc) {
		add(r.DurationSeconds)
	}},
	{"memtrace_report_timestamp_seconds", "gauge", "When the figures were taken, in seconds since 1970.", func(r *scraped, add addFunc) {
		add(float64(r.End.UnixMilli()) / 1000)
	}},
	{"memtrace_complete", "gauge", "1 if nothing was lost. Otherwise figures are lower bounds.", func(r *scraped, add addFunc) {
		if r.Complete {
			add(1)
		} else {
			add(0)
		}
	}},
	{"memtrace_outstanding_bytes", "gauge", "What the process holds of what it allocated since the trace began. Not in windows.", func(r *scraped, add addFunc) {
		if r.Mode == report.ModeExact {
			add(float64(r.Outstanding.Bytes))
		}
	}},
	{"memtrace_outstanding_blocks", "gauge", "The blocks of memtrace_outstanding_bytes.", func(r *scraped, add addFunc) {
		if r.Mode == report.ModeExact {
			add(float64(r.Outstanding.Blocks))
		}
	}},
	{"memtrace_resident_bytes", "gauge", "Resident memory by the kernel's count.", func(r *scraped, add addFunc) {
		if r.Memory != nil {
			add(float64(r.Memory.StatmResidentBytes))
		}
	}},
	{"memtrace_leak_bytes_per_second", "gauge", "How fast the process leaks, by findings that are certain or likely, in bytes that the allocator takes. Missing while this cannot be told.", leakBy(value)},
	{"memtrace_leak_low_bytes_per_second", "gauge", "The sum of the lower bounds of the same: equal where every call was traced, else of 95 % intervals.", leakBy(low)},
	{"memtrace_leak_high_bytes_per_second", "gauge", "The sum of the upper bounds.", leakBy(high)},
	{"memtrace_findings", "gauge", "How many findings of a kind the report has.", findings},
	{"memtrace_deadline_seconds", "gauge", "In how many seconds a limit of memory is reached if growth goes on.", func(r *scraped, add addFunc) {
		if r.Diagnosis != nil && r.Diagnosis.Deadline != nil {
			add(r.Diagnosis.Deadline.Seconds.Value, "limit", r.Diagnosis.Deadline.Limit)
		}
	}},
	{"memtrace_stack_leak_bytes_per_second", "gauge", "How fast a stack leaks, of those that leak fastest, in bytes that the allocator takes. kind is what it is judged, function that of the program.", stackLeakBy(value)},
	{"memtrace_stack_leak_low_bytes_per_second", "gauge", "The lower bound of the same: equal where it was counted, else of a 95 % interval.", stackLeakBy(low)},
	{"memtrace_stack_leak_high_bytes_per_second", "gauge", "The upper bound.", stackLeakBy(high)},
	{"memtrace_events_total", "counter", "Calls that were seen, by what they do. Those of allocation functions are not counted in windows.", func(r *scraped, add addFunc) {
		e := &r.Events
		if r.Mode == report.ModeExact {
			add(float64(e.Alloc), "kind", "alloc")
			add(float64(e.Free), "kind", "free")
			add(float64(e.Realloc), "kind", "realloc")
		}
		add(float64(e.Mmap), "kind", "mmap")
		add(float64(e.Munmap), "kind", "munmap")
		add(float64(e.Brk), "kind", "brk")
	}},
	{"memtrace_lost_events_total", "counter", "What could not be recorded.", func(r *scraped, add addFunc) {
		l := &r.Events.Lost
		add(float64(l.Alloc), "kind", "alloc")
		add(float64(l.Free), "kind", "free")
		add(float64(l.Stack), "kind", "stack")
		add(float64(l.Mmap), "kind", "mmap")
	}},
	{"memtrace_overhead_ratio", "gauge", "What tracing has cost, by estimate, as a part of the process's time. Missing where that was not measured.", func(r *scraped, add addFunc) {
		if r.Overhead > 0 {
			add(r.Overhead)
		}
	}},
}

// writeMetrics writes the metrics of processes, of those that have ended only if asked for, with top
// stacks of each, 0 for all.
func writeMetrics(w io.Writer, list []*report.Report, top int, ended bool) error {
	var processes []scraped
	for _, r := range list {
		if !r.Target.Exited || ended {
			processes = append(processes, scraped{r, leakingStacks(r, top)})
		}
	}
	families := make([]family, len(metrics))
	for i, m := range metrics {
		f := &families[i]
		f.name, f.kind, f.help = m.name, m.kind, m.help
		for k := range processes {
			r := &processes[k]
			process := []string{"pid", strconv.Itoa(r.Target.PID), "command", report.Escape(r.Target.Command)}
			m.of(r, func(value float64, labels ...string) {
				f.samples = append(f.samples, sample{append(slices.Clone(process), labels...), value})
			})
		}
	}
	return expose(w, families)
}

// These are the fields of Bounds.
func value(b report.Bounds) float64 { return b.Value }
func low(b report.Bounds) float64   { return b.Low }
func high(b report.Bounds) float64  { return b.High }

// leakBy adds what the findings say of a leak.
func leakBy(of func(report.Bounds) float64) func(*scraped, addFunc) {
	return func(r *scraped, add addFunc) {
		if r.Diagnosis == nil {
			return
		}
		rate, told := 0.0, true
		for i := range r.Diagnosis.Findings {
			switch f := &r.Diagnosis.Findings[i]; f.Kind {
			case report.Leak, report.ActiveLeak, report.UnjoinedThreads:
				if f.Confidence != "possible" {
					rate += of(f.BytesPerSecond)
				}
			case report.TooShort, report.Held:
				told = false
			}
		}
		if told || rate > 0 {
			add(rate)
		}
	}
}

func findings(r *scraped, add addFunc) {
	if r.Diagnosis == nil {
		return
	}
	type key struct{ kind, confidence string }
	count := make(map[key]int)
	var order []key
	for i := range r.Diagnosis.Findings {
		f := &r.Diagnosis.Findings[i]
		k := key{string(f.Kind), f.Confidence}
		if count[k]++; count[k] == 1 {
			order = append(order, k)
		}
	}
	for _, k := range order {
		add(float64(count[k]), "kind", k.kind, "confidence", k.confidence)
	}
}

// leakingStack is a stack that leaks, or several that have the same labels, as those of two allocators
// at one call: of two samples with the same labels Prometheus takes one.
type leakingStack struct {
	*report.Stack
	rate           report.Bounds
	kind, function string
}

// leakingStacks returns the stacks that leak, the fastest first, top of them, 0 for all.
func leakingStacks(r *report.Report, top int) []leakingStack {
	type labels struct{ id, kind, memory string }
	known := make(map[labels]int)
	var list []leakingStack
	for i := range r.Stacks {
		s := &r.Stacks[i]
		rate, _, leaks := s.Leak()
		if !leaks || rate.Value <= 0 {
			continue
		}
		kind := string(s.Class)
		if s.Estimate != nil {
			kind = s.Estimate.Class
		}
		key := labels{s.ID, kind, string(s.Kind)}
		at, ok := known[key]
		if !ok {
			at = len(list)
			known[key] = at
			list = append(list, leakingStack{Stack: s, kind: kind})
		}
		sum := &list[at].rate
		sum.Value += rate.Value
		sum.Low += rate.Low
		sum.High += rate.High
	}
	slices.SortStableFunc(list, func(a, b leakingStack) int { return cmp.Compare(b.rate.Value, a.rate.Value) })
	if top > 0 && len(list) > top {
		list = list[:top]
	}
	for i := range list {
		list[i].function = functionOf(r, list[i].Stack)
	}
	return list
}

// stackLeakBy adds the stacks that leak fastest.
func stackLeakBy(of func(report.Bounds) float64) func(*scraped, addFunc) {
	return func(r *scraped, add addFunc) {
		for i := range r.leaking {
			s := &r.leaking[i]
			add(of(s.rate), "stack", s.ID, "function", s.function, "kind", s.kind, "memory", string(s.Kind))
		}
	}
}

// functionOf is the name of the function of the program that a stack has.
func functionOf(r *report.Report, s *report.Stack) string {
	c := r.Named(s)
	if len(c.Frames) == 0 {
		return ""
	}
	f := &c.Frames[min(max(c.OwnFrame, 0), len(c.Frames)-1)]
	if f.Function == "" {
		return report.Escape(f.Place())
	}
	return report.Escape(f.Function)
}
