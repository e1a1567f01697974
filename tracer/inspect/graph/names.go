package graph

import (
	"fmt"

	"memtrace/symbolize"
	"memtrace/tracer/inspect/datasym"
)

const (
	// apart is how far the pointers of one variable without a symbol may be from each other.
	apart = 16
	// maxPlaces is how many variables are made of a section without symbols. The rest is one.
	maxPlaces = 1 << 12
)

// global names the variables of a module: by symbol, else by section and offset.
func (p *process) global(m *datasym.Module) func(uint64) (Root, uint64, uint64) {
	return func(addr uint64) (r Root, from, to uint64) {
		r = Root{Class: Global, Module: m.Name, Addr: addr}
		if v, ok := m.Variable(addr); ok {
			r.Name, r.Addr = symbolize.DisplayName(v.Name), v.Addr
			return r, v.Addr, v.Addr + v.Size
		}
		section, start, ok := m.Section(addr)
		if !ok {
			r.Name = fmt.Sprintf("%s+%#x", m.Name, addr-m.Start)
			return r, addr, addr + apart
		}
		place := m.Path + "\x00" + section
		if p.places[place] >= maxPlaces {
			r.Name = m.Name + " " + section
			return r, addr, m.End
		}
		p.places[place]++
		r.Name = fmt.Sprintf("%s %s+%#x", m.Name, section, addr-start)
		return r, addr, addr + apart
	}
}
