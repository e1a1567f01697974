package procmem

import (
	"encoding/binary"
	"os"
)

// State is what there is of a page.
type State uint8

const (
	// Absent: the page has no content. It was never written to, or was given back.
	Absent State = iota
	// Resident: the page is in memory.
	Resident
	// Swapped: the page has content, but not in memory. Reading it brings it back.
	Swapped
)

// mostPages is the most pages of which the states are asked at once.
const mostPages = 256

// State returns what there is of the page.
func (p Page) State() State {
	switch {
	case !p.There():
		return Absent
	case p.Resident():
		return Resident
	}
	return Swapped
}

// States fills states with those of the pages from the one at addr on, as they are now.
func (m *Memory) States(addr uint64, states []State) {
	page := uint64(os.Getpagesize())
	var words [mostPages * 8]byte
	for len(states) > 0 {
		some := states[:min(len(states), mostPages)]
		n := m.Pages(addr, words[:8*len(some)])
		for i := range some {
			some[i] = Absent
			if i < n {
				some[i] = Page(binary.LittleEndian.Uint64(words[8*i:])).State()
			}
		}
		addr += uint64(len(some)) * page
		states = states[len(some):]
	}
}

// ReadPages reads whole pages, in pieces as large as there are pages in a row. addr is that of a
// page, buf has as many pages as states, which it fills. What is absent or swapped out it fills
// with zeros. A page that could not be read is Absent.
//
// It asks the kernel each time, and needs no snapshot.
func (m *Memory) ReadPages(addr uint64, buf []byte, states []State) {
	page := os.Getpagesize()
	m.States(addr, states)
	wanted := func(i int) bool { return states[i] == Resident }
	for i := 0; i < len(states); {
		first := i
		for i < len(states) && wanted(i) == wanted(first) {
			i++
		}
		run := buf[first*page : i*page]
		if !wanted(first) {
			clear(run)
			continue
		}
		if n := m.readAt(run, addr+uint64(first*page)); n < len(run) {
			clear(run[n:])
			for k := first + n/page; k < i; k++ {
				states[k] = Absent
			}
		}
	}
}

// ReadAt reads memory that is there, and returns how much of it could be read. Ask States before.
func (m *Memory) ReadAt(buf []byte, addr uint64) int { return m.readAt(buf, addr) }
