package main

import (
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
}

// heapLooks are the looks at heaps beside the trace, by process.
type heapLooks map[int]*join.Watch

// lookBeside begins to look at the heaps of the processes, if that is asked for. The function it returns
// ends that.
func (s *session) lookBeside() (end func()) {
	if s.heap == 0 {
		return func() {}
	}
	s.heapLooks = make(heapLooks)
	for _, pid := range s.pids {
		s.heapLooks[pid] = join.Start(s.besideConfig(pid))
	}
	return func() {
		for _, w := range s.heapLooks {
			w.Stop()
		}
	}
}

// besideConfig says how the heap of a process is looked at. The processes share what looks may cost.
func (s *session) besideConfig(pid int) join.Config {
	return join.Config{
		Config: inspect.Config{
			PID: pid, MaxOverhead: s.maxOverhead / 100 / float64(len(s.pids)),
			MaxMemory: max(s.maxMemory/uint64(len(s.pids)), leastHeapMemory), Suppressions: s.suppressed.list,
		},
		Interval: time.Duration(s.heap), Aside: tracer.Aside, Logf: s.log.message,
	}
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
