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
		s.heapLooks[pid] = join.Start(join.Config{
			Config: inspect.Config{
				PID: pid, MaxOverhead: s.maxOverhead / 100 / float64(len(s.pids)), Suppressions: s.suppressed.list,
			},
			Interval: time.Duration(s.heap), Aside: tracer.Aside, Logf: s.log.message,
		})
	}
	return func() {
		for _, w := range s.heapLooks {
			w.Stop()
		}
	}
}

// of returns the looks at the heap of a process, nil if there are none.
func (l heapLooks) of(pid int) diagnose.HeapLooks {
	if w := l[pid]; w != nil {
		return w
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
