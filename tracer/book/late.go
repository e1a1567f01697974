package book

import (
	"memtrace/tracer/book/vm"
	"memtrace/tracer/event"
)

// When the ring is full, what must not be lost is spilled to a map and applied late: by its
// time it belongs before events that were applied already. What is lost for good leaves a gap:
// nobody knows whether the blocks live at that time still are.

// ApplySpilled takes an event that belongs before others already applied. The caller holds the
// lock.
func (b *Book) ApplySpilled(ev *event.Event) {
	if len(b.sharing) > 0 {
		b.attribute(ev)
	}
	switch ev.Kind {
	case event.Free, event.ReallocEnter:
		if !b.windowed {
			b.heap.ApplyLateFree(ev)
		} else if r := b.procs[ev.PID]; r != nil {
			r.sample.Free(ev.Addr, ev.Time)
		}
	case event.Munmap, event.MremapEnter, event.Shmdt:
		b.vm.ApplyLateUnmap(ev)
	case event.Exec:
		// Everything born before is gone, so the order of events does not matter.
		if r := b.procs[ev.PID]; r != nil {
			r.life.Execs++
			r.brk, r.returned = 0, nil
			r.faults.Clear()
			r.forgetCode(b)
			r.copies.Clear()
			if b.windowed {
				r.sample.Apply(&event.Event{Kind: ev.Kind})
			}
		}
		b.gap(ev.PID, ev.Time)
	case event.Fork, event.Exit:
		b.applyLifecycle(ev)
	}
}

// Count takes the counters of the BPF programs. It reports whether mappings may have changed
// without an event, or with one that is yet to come. The caller holds the lock.
func (b *Book) Count(total event.Counters) (mappingsUnseen bool) {
	before := b.counters
	b.counters = total
	return total.LostMmap != before.LostMmap || total.Spilled != before.Spilled
}

// CountMissed takes how often the kernel skipped a program on system calls, of any process.
func (b *Book) CountMissed(total uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.missed = total
}

// Missed returns the number last given to CountMissed.
func (b *Book) Missed() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.missed
}

// Drained says that everything spilled was applied. gap is when an event was last lost for
// good, 0 if there is no gap to handle now. The caller holds the lock.
func (b *Book) Drained(gap uint64) {
	b.heap.Drained()
	b.gap(0, gap)
}

// CaughtUp does what Drained does, and says that nothing late will come from before the time
// (ns).
func (b *Book) CaughtUp(time, gap uint64) {
	b.gap(0, gap)
	b.heap.CaughtUp(time)
	b.vm.CaughtUp(time)
}

// gap drops what a process (0: any process) held at a time from which frees may be missing.
func (b *Book) gap(pid uint32, time uint64) {
	if time != 0 {
		b.heap.Gap(pid, time)
		b.vm.Gap(pid, time)
	}
}

// Unprobed says that a process had no probes on its allocation functions for a while, up to a
// time (ns). Frees went unseen, so blocks born before that are no evidence.
func (b *Book) Unprobed(pid uint32, until uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heap.Gap(pid, until)
}

// Unmapped removes from the ledger what a process did not have mapped at a time (ns), whatever
// the events said.
func (b *Book) Unmapped(pid uint32, gaps []vm.Gap, time uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, g := range gaps {
		b.vm.Unmapped(pid, g.Start, g.End, time)
	}
}
