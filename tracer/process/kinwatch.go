package process

import (
	"sync"
	"time"

	"memtrace/tracer/process/kin"
)

// kinInterval is how often descendants are looked at, at most. It is shorter than that of
// address spaces, so that a child that lives for seconds shows how it grows.
const kinInterval = 500 * time.Millisecond

// Kin looks at the process's descendants, threads and state once more, unless the trace has
// ended, and returns what is known of them.
func (p *Process) Kin(now time.Time) kin.Snapshot { return p.kin.Snapshot(now) }

// watchKin polls the descendants of all processes, and the names of their threads. It does not wait for address spaces, which
// may not answer.
func (g *Group) watchKin() watch {
	quit := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() { g.watchThreads(quit) })
	done.Go(func() {
		tick := time.NewTicker(kinInterval)
		defer tick.Stop()
		for {
			for _, p := range g.procs.all() {
				p.kin.Poll(time.Now())
			}
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	})
	return watch{sync.OnceFunc(func() { close(quit) }), done.Wait}
}
