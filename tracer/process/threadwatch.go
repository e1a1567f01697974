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
	// threadBatch is how many threads are looked at before it is asked whether there is time for
	// more.
	threadBatch = 32
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

// threadWatch reads the names of threads that begin to allocate. Programs may start any number of
// threads, so it takes no more time than it is allowed: of some threads the name is then only
// known if they run when a report is made.
type threadWatch struct {
	allowed *allowance
	fresh   func() []heap.Thread
	look    func(heap.Thread)
	waiting []young
}

// watchThreads reads the names of threads that begin to allocate, until quit is closed.
func (g *Group) watchThreads(quit <-chan struct{}) {
	w := &threadWatch{
		allowed: newAllowance(allowedShare(threadShare, g.cfg.MaxOverhead), followBurst),
		fresh:   g.book.FreshThreads,
		look: func(t heap.Thread) {
			if p := g.procs.of(t.PID); p != nil {
				p.lookAtThread(t.TID)
			}
		},
	}
	tick := time.NewTicker(threadInterval)
	defer tick.Stop()
	for {
		w.poll(time.Now())
		select {
		case <-quit:
			return
		case <-tick.C:
		}
	}
}

// poll looks at threads that were not seen before, the newest first, which are most likely to be
// there still, and once more at those that wait.
func (w *threadWatch) poll(now time.Time) {
	due := 0
	for due < len(w.waiting) && now.After(w.waiting[due].until) {
		due++
	}
	again := w.waiting[:due]
	w.waiting = w.waiting[due:]
	for fresh := w.fresh(); len(fresh) > 0 && w.allowed.wait(time.Now()) == 0; {
		rest := len(fresh) - min(len(fresh), threadBatch)
		w.allowed.spend(func() {
			for _, t := range fresh[rest:] {
				w.look(t)
				w.waiting = append(w.waiting, young{t, now.Add(namedBy)})
			}
		})
		fresh = fresh[:rest]
	}
	for len(again) > 0 && w.allowed.wait(time.Now()) == 0 {
		n := min(len(again), threadBatch)
		w.allowed.spend(func() {
			for _, t := range again[:n] {
				w.look(t.Thread)
			}
		})
		again = again[n:]
	}
}
