package vm

// Loaded says that until a time (ns) only the loader has run in a process that has executed a
// program. What it mapped is not the program's.
func (l *Ledger) Loaded(pid uint32, time uint64) {
	sp := l.space(pid)
	sp.loaded = max(sp.loaded, time)
	l.drop(sp, func(m *mapping) bool { return m.time <= time })
}

// Remove forgets a process that has ended. Its counters stay in those of all processes.
func (l *Ledger) Remove(pid uint32) {
	sp := l.spaces[pid]
	if sp == nil {
		return
	}
	sp.regions.each(func(r region) {
		if r.of.stack.shown() {
			l.total.Sub(r.bytes())
		}
	})
	for i, s := range l.stacks {
		if s != nil && s.key.PID == pid {
			delete(l.byKey, s.key)
			l.stacks[i] = nil
			l.free = append(l.free, i)
		}
	}
	l.undos.forget(pid, l.now)
	for th := range l.outcomes {
		if th.pid == pid {
			delete(l.outcomes, th)
		}
	}
	l.past.add(&sp.counters)
	delete(l.spaces, pid)
}
