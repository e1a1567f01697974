package vm

import "memtrace/tracer/book/live"

type run struct {
	start, end uint64
	of         *modelMapping
}

func (r run) bytes() uint64 { return r.end - r.start }

// runs returns the maximal runs of pages of one mapping.
func (sp *modelSpace) runs() (runs []run) {
	var last *modelMapping
	for p, mm := range sp.pages {
		addr := uint64(p) * pageSize
		switch {
		case mm == nil:
		case mm == last:
			runs[len(runs)-1].end += pageSize
		default:
			runs = append(runs, run{addr, addr + pageSize, mm})
		}
		last = mm
	}
	return runs
}

// giveUp merges a stack with the others that were given up.
func (m *model) giveUp(key live.Key) {
	sp := m.space(key.PID)
	holding := uint64(0)
	for _, r := range sp.runs() {
		if r.of.stack == key.ID {
			holding = 1
		}
	}
	for _, mm := range m.mappings {
		if mm.pid == key.PID && mm.stack == key.ID {
			mm.stack = live.GivenUp
		}
	}
	sp.GivenUp.Holding += holding
	sp.GivenUp.Empty += 1 - holding
}
