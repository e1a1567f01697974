package heap

// mostRemoved is how many removed processes may wait for a sweep of the table, which looks at
// every block.
const mostRemoved = 256

// Remove forgets a process that has ended. Its counters stay in those of all processes.
func (h *Heap) Remove(pid uint32) {
	p := h.procs.byPID[pid]
	if p == nil || p.removed {
		return
	}
	h.copyHeritagesOf(p)
	h.dropHeritage(p)
	for t := range h.pending {
		if t.pid == pid {
			delete(h.pending, t)
		}
	}
	h.forgetFailures(pid)
	h.copied -= p.copied
	p.copied = 0
	p.removed, p.exited = true, true
	if h.removed++; h.removed >= mostRemoved {
		h.sweepRemoved()
	}
}

// Vacate is for a pid that another process has by now: an ended one that had it is removed, with all
// that it takes.
func (h *Heap) Vacate(pid uint32) {
	if p := h.procs.byPID[pid]; p != nil && p.exited {
		h.Remove(pid)
		h.sweepRemoved()
	}
}

// sweepRemoved frees what removed processes still take.
func (h *Heap) sweepRemoved() {
	if h.removed == 0 {
		return
	}
	h.blocks.filter(func(b *block) bool { return !h.process(b.pid).removed })
	for i, s := range h.stacks.all {
		if s != nil && h.process(h.stacks.keys[i].PID).removed {
			h.dropFreers(uint32(i))
			h.stacks.remove(uint32(i))
			delete(h.heirlooms, uint32(i))
		}
	}
	clear(h.stacks.cache[:])
	for a := range h.late.byAddr {
		if h.process(a.pid).removed {
			delete(h.late.byAddr, a)
		}
	}
	h.forgetThreads()
	for pid, p := range h.procs.byPID {
		if p.removed {
			h.past.add(&p.counters)
			delete(h.procs.byPID, pid)
		}
	}
	h.procs.last = &process{}
	h.removed = 0
}
