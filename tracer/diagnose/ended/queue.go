package ended

import (
	"sync"
	"sync/atomic"
)

// Queue is the processes that have ended and are yet to be reported on. The zero Queue has no
// worker: it must be started before Add.
type Queue struct {
	pids chan uint32
	// pending counts what is queued or at work.
	pending sync.WaitGroup
	over    atomic.Bool
}

// Start has work called with one process after the other, beside the caller, until Stop.
func (q *Queue) Start(work func(pid uint32)) {
	q.pids = make(chan uint32, 1<<16)
	go func() {
		for pid := range q.pids {
			if !q.over.Load() {
				work(pid)
			}
			q.pending.Done()
		}
	}()
}

// Add queues a process.
func (q *Queue) Add(pid uint32) {
	q.pending.Add(1)
	q.pids <- pid
}

// Stop drops what is queued.
func (q *Queue) Stop() { q.over.Store(true) }

// Wait waits until nothing is queued or at work.
func (q *Queue) Wait() { q.pending.Wait() }
