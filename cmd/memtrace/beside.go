package main

import (
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"memtrace/tracer"
	"memtrace/tracer/diagnose"
	"memtrace/tracer/inspect"
	"memtrace/tracer/inspect/join"
)

// heapFlag is --heap: how far looks at the heap are apart, 0 for none.
type heapFlag time.Duration

// addHeap adds the flag.
func (o *options) addHeap(fs *pflag.FlagSet) {
	fs.Var((*durationValue)(&o.heap), "heap", "look at the heap as well, every `DUR` (10s), and say which stacks allocate what grows in it; looks take at most --max-overhead of one core")
	fs.Lookup("heap").NoOptDefVal = heapInterval.String()
	fs.BoolVar(&o.noFocus, "no-focus", false, "with --heap, put no probes behind calls for what grows too rarely for windows")
}

// leastHeapFlag is the least --heap.
const leastHeapFlag = heapFlag(10 * time.Millisecond)

// checkHeap checks the flag.
func (o *options) checkHeap(fs *pflag.FlagSet, args []string) error {
	word := afterHeap(args)
	switch {
	case word != "":
		return usagef("--heap %s: put its time behind a =, --heap=%s, or an interval of reports before --heap", word, word)
	case fs.Changed("heap") && o.heap < leastHeapFlag:
		return usagef("--heap=%v: give 10ms or more", time.Duration(o.heap))
	case o.heap != 0 && !o.given():
		return usagef("--heap looks at processes that run already: give -p PID|NAME")
	}
	return nil
}

// afterHeap returns the word after a --heap without a time that may be meant for one, "" if there is none:
// it is taken for the interval of reports.
func afterHeap(args []string) string {
	for i, a := range args {
		if a == "--" {
			break
		}
		if a == "--heap" && i+1 < len(args) && new(durationValue).Set(args[i+1]) == nil {
			return args[i+1]
		}
	}
	return ""
}

// unshown says where what --heap shows is left out, "" if it is not.
func (o *options) unshown() string {
	var parts []string
	if o.format != formatText && o.format != formatJSON && o.format != formatHTML {
		parts = append(parts, "-f "+o.format)
	}
	if o.record.file != "" {
		parts = append(parts, "--record")
	}
	if o.heap == 0 || len(parts) == 0 {
		return ""
	}
	return "what --heap shows is in -f text, json and html only, not in " + strings.Join(parts, " and ")
}

// heapLooks are the looks at heaps beside the trace, by process.
type heapLooks map[int]*join.Watch

// lookBeside begins to look at the heaps of the processes, if that is asked for. The function it returns
// ends that.
func (s *session) lookBeside() (end func()) {
	if s.heap == 0 {
		return func() {}
	}
	if text := s.unshown(); text != "" {
		s.log.message("%s", text)
	}
	s.heapLooks = make(heapLooks)
	for _, pid := range s.pids {
		s.heapLooks[pid] = join.Start(s.besideConfig(pid))
	}
	return func() {
		var all sync.WaitGroup
		for _, w := range s.heapLooks {
			all.Go(w.Stop)
		}
		all.Wait()
	}
}

// besideConfig says how the heap of a process is looked at. The processes share what looks may cost.
func (s *session) besideConfig(pid int) join.Config {
	cfg := join.Config{
		Config: inspect.Config{
			PID: pid, MaxOverhead: s.maxOverhead / 100 / float64(len(s.pids)),
			MaxMemory: max(s.maxMemory/uint64(len(s.pids)), leastHeapMemory), Suppressions: s.suppressed.list, DebugDirs: s.debugDir,
		},
		Interval: time.Duration(s.heap), Aside: tracer.Aside, Logf: s.log.message,
	}
	if s.tracer != nil && !s.noFocus {
		if f := s.tracer.Focus(pid); f != nil {
			cfg.Focus = f // not a nil *focus.Focus
		}
	}
	return cfg
}

// of returns the looks at the heap of a process, nil if there are none.
func (l heapLooks) of(pid int) diagnose.HeapLooks {
	switch w := l[pid]; {
	case w != nil:
		return w
	case l != nil:
		return join.Unlooked("it was not there when the trace began")
	}
	return nil // not a nil *join.Watch
}

// memory is about how many bytes the looks take.
func (l heapLooks) memory() (sum uint64) {
	for _, w := range l {
		sum += w.Memory()
	}
	return sum
}
