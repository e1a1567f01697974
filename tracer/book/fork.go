package book

import (
	"memtrace/tracer/book/faults"
	"memtrace/tracer/book/sample"
	"memtrace/tracer/event"
)

// Children that are followed are in the Book from the fork on. They have a copy of their
// parent's blocks, or share its address space until they execute a program or end: what such a
// child does with blocks and mappings it does to its parent's.

// fork takes in the child of a process that is followed.
func (b *Book) fork(ev *event.Event) {
	child := uint32(ev.Addr)
	if r := b.procs[child]; r != nil && r.life.Exited {
		b.remove(child) // the pid is another process's by now
	}
	r := b.add(child)
	r.life.Parent, r.life.Began = ev.PID, ev.Time
	if ev.Size != 0 {
		b.sharing[child] = b.owner(ev.PID)
		return
	}
	if parent := b.procs[b.owner(ev.PID)]; parent != nil {
		r.inheritCode(parent)
	}
	if !b.cfg.Growth && !b.windowed {
		b.heap.Fork(b.owner(ev.PID), child, ev.Time)
	}
}

// add returns the record of a process, a new one if need be.
func (b *Book) add(pid uint32) *record {
	r := b.procs[pid]
	if r == nil {
		b.heap.Vacate(pid)
		r = new(record)
		b.procs[pid] = r
		if b.windowed {
			r.sample = sample.New(b.sampling)
		}
		if b.faults {
			r.faults, r.copies = faults.New(0), faults.New(0)
		}
	}
	return r
}

// Join makes the book track a process from a time (ns) on, unless it does already.
func (b *Book) Join(pid uint32, time uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.procs[pid]; r == nil || r.life.Exited {
		b.remove(pid) // what had the pid before
		b.add(pid).life.Began = time
	}
}

// owner returns the process whose address space a process uses.
func (b *Book) owner(pid uint32) uint32 {
	if owner, ok := b.sharing[pid]; ok {
		return owner
	}
	return pid
}

// attribute makes an event that of the process whose address space it is about. A process that
// executes a program or ends does not share one any more.
func (b *Book) attribute(ev *event.Event) {
	switch ev.Kind {
	case event.Exec, event.Exit:
		delete(b.sharing, ev.PID)
	case event.Fork, event.Stack:
	default:
		ev.PID = b.owner(ev.PID)
	}
}

// Loaded says that until a time (ns) only the loader has run in a process that has executed a
// program.
func (b *Book) Loaded(pid uint32, time uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.cfg.Growth && !b.windowed {
		b.vm.Loaded(pid, time)
	}
}

// Remove forgets a process that has ended, except for what it counts in sums over all.
func (b *Book) Remove(pid uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remove(pid)
}

// RemoveEnded is Remove unless a process with the pid has not ended.
func (b *Book) RemoveEnded(pid uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.procs[pid]; r != nil && r.life.Exited {
		b.remove(pid)
	}
}

func (b *Book) remove(pid uint32) {
	delete(b.procs, pid)
	b.heap.Remove(pid)
	b.vm.Remove(pid)
	for child, owner := range b.sharing {
		if child == pid || owner == pid {
			delete(b.sharing, child)
		}
	}
}
