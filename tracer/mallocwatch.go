package tracer

import (
	"fmt"
	"sync"
	"time"

	"memtrace/symbolize/patience"
)

// watchMalloc reads the parameters of the processes' mallocs now and then, each process
// beside all others: to read another process's memory may take as long as that likes. stop
// does not wait.
func (t *Tracer) watchMalloc() (stop func()) {
	quit := make(chan struct{})
	for _, p := range t.procs {
		go func() {
			tick := time.NewTicker(lookInterval)
			defer tick.Stop()
			for {
				select {
				case <-quit:
					return
				case <-tick.C:
				}
				t.mu.Lock()
				view, exited := p.malloc, p.exited
				t.mu.Unlock()
				if !exited {
					view.poll(&t.mu, now().mono)
				}
			}
		}()
	}
	return sync.OnceFunc(func() { close(quit) })
}

// lookAtMalloc reads what a snapshot needs of a process's malloc.
func (t *Tracer) lookAtMalloc(p *process) {
	t.mu.Lock()
	view, exited, end, pid := p.malloc, p.exited, t.end.mono, p.target.PID
	t.mu.Unlock()
	if view == nil || exited {
		return
	}
	if end == 0 {
		end = now().mono
	}
	if !patience.Wait(patience.Limit, func() {
		view.poll(&t.mu, end)
		view.findRange(&t.mu, pid)
	}) {
		t.giveUp(fmt.Sprintf("the memory of process %d", pid))
	}
}
