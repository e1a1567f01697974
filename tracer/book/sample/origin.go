package sample

import "memtrace/tracer/event"

// Origin is where a candidate comes from.
type Origin struct {
	Stack event.StackID
	// Size is what was asked for, Born when it was allocated (ns).
	Size, Born uint64
	// Active: its content has changed since the first check.
	Active bool
}

// EachAllocated calls f with every stack and how many blocks windows saw it allocate.
func (s *Set) EachAllocated(f func(id event.StackID, blocks uint64)) {
	for id, a := range s.stacks {
		f(id, a.allocated.Blocks)
	}
}

// Origin returns that of the candidate at an address. ok is false if there is none, and where no
// check has read it: then it may have been freed and handed out again right after its window.
func (s *Set) Origin(addr uint64) (o Origin, ok bool) {
	b := s.blocks[addr]
	if b == nil || !b.candidate || b.checks == 0 {
		return Origin{}, false
	}
	return Origin{b.stack.id, b.size, b.born, b.active}, true
}
