package process

import (
	"maps"
	"slices"
	"sync"
)

// members are the processes of a Group by pid, which come and go while others look at them.
type members struct {
	mu    sync.RWMutex
	byPID map[uint32]*Process
	// leaving are those that were removed and not freed yet.
	leaving map[uint32]*Process
}

// of returns the process with a pid, nil if there is none.
func (m *members) of(pid uint32) *Process {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.byPID[pid]
}

// all returns the processes that are there now, in the order of their pids.
func (m *members) all() []*Process {
	m.mu.RLock()
	defer m.mu.RUnlock()
	list := make([]*Process, 0, len(m.byPID))
	for _, pid := range slices.Sorted(maps.Keys(m.byPID)) {
		list = append(list, m.byPID[pid])
	}
	return list
}

func (m *members) add(p *Process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byPID == nil {
		m.byPID = make(map[uint32]*Process)
	}
	m.byPID[uint32(p.pid)] = p
}

// remove takes a process out, and reports whether it was there. Another one may have its pid.
func (m *members) remove(p *Process) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byPID[uint32(p.pid)] != p {
		return false
	}
	delete(m.byPID, uint32(p.pid))
	if m.leaving == nil {
		m.leaving = make(map[uint32]*Process)
	}
	m.leaving[uint32(p.pid)] = p
	return true
}

// left returns the process with a pid that was removed and not freed yet, nil if there is none.
func (m *members) left(pid uint32) *Process {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.leaving[pid]
}

// freed notes that nothing is left of a process.
func (m *members) freed(p *Process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leaving[uint32(p.pid)] == p {
		delete(m.leaving, uint32(p.pid))
	}
	close(p.freed)
}
