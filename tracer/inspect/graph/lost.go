package graph

import (
	"slices"
	"sort"

	"memtrace/tracer/inspect/census"
)

// unreached are blocks that nobody points at, and the pointers between them. Of all other pointers
// only who was reached is kept.
type unreached struct {
	// blocks are their indexes, sorted.
	blocks []uint32
	// first has, by place in blocks, the index of its first pointer, and one more. to are the places
	// of the blocks that are pointed at.
	first, to []uint32
}

// unreached collects what was not reached.
func (s *scan) unreached() (u unreached) {
	for i, holder := range s.g.holder {
		if holder == 0 {
			u.blocks = append(u.blocks, uint32(i))
		}
	}
	u.first = make([]uint32, 1, len(u.blocks)+1)
	for _, block := range u.blocks {
		s.edges.of(block, func(to uint32) bool {
			if s.g.holder[to] == 0 {
				place, _ := u.place(to)
				u.to = append(u.to, place)
			}
			return true
		})
		u.first = append(u.first, uint32(len(u.to)))
	}
	return u
}

// place returns the place of a block.
func (u *unreached) place(block uint32) (place uint32, ok bool) {
	at := sort.Search(len(u.blocks), func(k int) bool { return u.blocks[k] >= block })
	return uint32(at), at < len(u.blocks) && u.blocks[at] == block
}

// losses divides lost blocks by what leads to them. They are meant by their places among those that
// were not reached.
type losses struct {
	pass *pass
	u    *unreached
	// lost are the places of lost blocks, sorted, and is tells which they are.
	lost []uint32
	is   []bool
	// led: another lost block leads to this one. done: it hangs on one that was found.
	led, done []bool
	queue     []uint32
}

func newLosses(last *pass, left []uint32) *losses {
	n := len(last.found)
	s := &losses{pass: last, u: &last.unreached, lost: left, is: make([]bool, n), led: make([]bool, n), done: make([]bool, n)}
	for _, i := range left {
		s.is[i] = true
	}
	for _, i := range s.lost {
		s.pointers(i, func(to uint32) { s.led[to] = true })
	}
	return s
}

// pointers calls f with the lost blocks that a lost block points to.
func (s *losses) pointers(i uint32, f func(to uint32)) {
	for _, to := range s.u.to[s.u.first[i]:s.u.first[i+1]] {
		if s.is[to] {
			f(to)
		}
	}
}

// all gives first the blocks that no lost block points to. What does not hang on them hangs on
// cycles.
func (s *losses) all(give func(Lost)) {
	for _, i := range s.lost {
		if !s.led[i] {
			give(s.hanging(i, false))
		}
	}
	order := s.finished()
	for k := len(order) - 1; k >= 0; k-- {
		if !s.done[order[k]] {
			give(s.hanging(order[k], true))
		}
	}
}

// hanging collects what hangs on a lost block and on none before it.
func (s *losses) hanging(root uint32, cycle bool) Lost {
	of := s.pass.found[root]
	lost := Lost{Root: census.Block{Addr: of.addr, Size: of.size}, Kind: s.pass.kind(root), Cycle: cycle}
	s.queue = append(s.queue[:0], root)
	s.done[root] = true
	for len(s.queue) > 0 {
		i := s.queue[len(s.queue)-1]
		s.queue = s.queue[:len(s.queue)-1]
		lost.Blocks++
		lost.Bytes += s.pass.found[i].size
		s.pointers(i, func(to uint32) {
			if !s.done[to] {
				s.done[to] = true
				s.queue = append(s.queue, to)
			}
		})
	}
	return lost
}

// finished returns the blocks that are not done in the order in which a depth-first search is done
// with them. The last one is in a cycle that no other leads to, and so is the last one of those that
// do not hang on it (as in Kosaraju's algorithm).
func (s *losses) finished() (order []uint32) {
	seen := slices.Clone(s.done)
	type visit struct{ block, next uint32 } // next: the index of the next pointer to follow
	var stack []visit
	enter := func(i uint32) {
		seen[i] = true
		stack = append(stack, visit{i, s.u.first[i]})
	}
	for _, i := range s.lost {
		if seen[i] {
			continue
		}
		enter(i)
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next == s.u.first[top.block+1] {
				order = append(order, top.block)
				stack = stack[:len(stack)-1]
				continue
			}
			to := s.u.to[top.next]
			top.next++
			if s.is[to] && !seen[to] {
				enter(to)
			}
		}
	}
	return order
}
