package process

import (
	"time"

	"memtrace/tracer/book/heap"
)

const (
	// threadInterval is how often new threads are looked for. Of one that ends sooner the name
	// is not known.
	threadInterval = 50 * time.Millisecond
	// namedBy is how long a thread may take to give itself a name: it begins with that of the
	// thread that made it.
	namedBy = time.Second
)

// ThreadName returns the name of a thread, as it is now or was when it was last seen.
func (p *Process) ThreadName(tid uint32) string {
	p.lookAtThread(tid)
	return p.threads.Of(tid)
}

func (p *Process) lookAtThread(tid uint32) {
	if !p.Gone() {
		p.threads.Look(p.pid, tid, func() bool { return !p.Gone() })
	}
}

// young is a thread that may still give itself a name.
type young struct {
	heap.Thread
	until time.Time
}

// watchThreads reads the names of threads that begin to allocate, until quit is closed.
func (g *Group) watchThreads(quit <-chan struct{}) {
	tick := time.NewTicker(threadInterval)
	defer tick.Stop()
	var waiting []young
	for {
		waiting = g.lookAtThreads(waiting, time.Now())
		select {
		case <-quit:
			return
		case <-tick.C:
		}
	}
}

// lookAtThreads looks at threads that were not seen before, and once more at those that wait.
func (g *Group) lookAtThreads(waiting []young, now time.Time) []young {
	look := func(t heap.Thread) {
		if p := g.procs.of(t.PID); p != nil {
			p.lookAtThread(t.TID)
		}
	}
	for len(waiting) > 0 && now.After(waiting[0].until) {
		look(waiting[0].Thread)
		waiting = waiting[1:]
	}
	for _, t := range g.book.FreshThreads() {
		look(t)
		waiting = append(waiting, young{t, now.Add(namedBy)})
	}
	return waiting
}
