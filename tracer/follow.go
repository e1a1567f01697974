package tracer

import (
	"errors"
	"sync"
	"time"

	"memtrace/symbolize/patience"
	"memtrace/tracer/diagnose"
	"memtrace/tracer/diagnose/ended"
	"memtrace/tracer/event"
	"memtrace/tracer/process"
	"memtrace/tracer/process/target"
)

// followed is what Config.Follow needs: the processes that have ended and are yet to be reported
// on, and the reports of those that were.
type followed struct {
	queue   ended.Queue
	reports ended.Reports
	// releasing counts the processes that are being released.
	releasing sync.WaitGroup
	// moving is held by whoever reports on all processes, and by whoever moves one from those that
	// are traced to those that have ended.
	moving sync.RWMutex
}

// Adopt adds a process to those that are traced, while the trace goes on. When it returns, every
// call of the process is seen, unless only windows are watched: then the next one has it. held
// says that somebody holds the process meanwhile, and will tell of each new program that it runs.
func (t *Tracer) Adopt(pid int, held bool) error {
	if t.over() {
		return nil // it runs on without probes
	}
	if err := t.processes.Vacate(uint32(pid), t.followed.queue.Add); err != nil {
		return err
	}
	t.book.Join(uint32(pid), event.Now())
	if t.cfg.GrowthOnly || t.book.Totals().Windowed {
		if mapped, err := process.ReadMapped(uint32(pid)); err == nil {
			t.book.BeginGrowth(uint32(pid), mapped)
		}
	}
	err := t.processes.Adopt(pid, held)
	switch {
	case err != nil && (!held || errors.Is(err, target.ErrNoProcess)):
		t.book.Remove(uint32(pid)) // nothing will tell of its end
	case err == nil && t.book.Exited(uint32(pid)):
		t.followed.queue.Add(uint32(pid)) // its end was read before it had joined
	}
	return err
}

// Traces reports whether a process is among those that are traced now.
func (t *Tracer) Traces(pid int) bool { return t.processes.Runs(uint32(pid)) }

// over reports whether the trace has ended.
func (t *Tracer) over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.endMono != 0
}

// Executed tells that a process runs a new program, while it is held: see launch.Hooks. The error
// is that of Adopt, for one whose program before could not be traced.
func (t *Tracer) Executed(pid int, byThread bool) error {
	if t.over() {
		return nil
	}
	t.book.Loaded(uint32(pid), event.Now())
	if t.processes.Of(uint32(pid)) == nil {
		return t.Adopt(pid, true)
	}
	t.processes.Executed(uint32(pid), byThread)
	return nil
}

// Overdue tells that a process ran on before Adopt or Executed had returned.
func (t *Tracer) Overdue(pid int) { t.processes.Overdue(uint32(pid)) }

// bury makes the report of a process that has ended, and frees all that it takes. If another one
// has its pid and its place in the book by now, there is no report.
func (t *Tracer) bury(pid uint32) {
	p := t.processes.Of(pid)
	if p == nil {
		t.book.RemoveEnded(pid)
		return
	}
	p.Settle(time.Now())
	opt := SnapshotOptions{Sort: ByLeak, Older: t.cfg.Older}
	f := t.facts(pid, opt)
	f.Buried()
	replaced := f.Known.Life.Began > p.Opened()
	if !replaced && !f.Known.Life.Exited {
		return // it is the other one, which runs
	}
	r := diagnose.Report(f, opt)
	t.followed.moving.Lock()
	if replaced {
		t.cfg.Logf("%v: there is no report of it, another process had its pid too soon after its end", p)
	} else {
		t.followed.reports.Add(r)
	}
	t.processes.Leave(p)
	t.book.RemoveEnded(pid)
	t.followed.moving.Unlock()
	t.followed.releasing.Go(func() {
		if err := t.processes.Free(p); err != nil {
			t.cfg.Logf("%v", err)
		}
	})
}

// unfollow waits until all that have ended are reported on.
func (t *Tracer) unfollow() {
	if !patience.Wait(time.Minute /* there may be thousands */, t.followed.queue.Wait) {
		t.unanswered.Add("the reports of processes that have ended")
	}
}
