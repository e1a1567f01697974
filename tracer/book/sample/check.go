package sample

// Candidate is what a check should look at.
type Candidate struct {
	// Address and Size are the block's, Born is when it was allocated (ns).
	Address, Size, Born uint64
	// Known says that an earlier check found Header and Print. Active says that Print no
	// longer matters.
	Known, Active bool
	// Header is the word before the block, Print a fingerprint of its content.
	Header, Print uint64
}

// Candidates appends the candidates of the last window, or of all windows, to list. While a
// window is open, its blocks that are not freed count as candidates.
func (s *Set) Candidates(list []Candidate, all bool) []Candidate {
	for _, b := range s.blocks {
		if s.checkable(b) && (all || b.window == len(s.windows)-1) {
			list = append(list, Candidate{
				Address: b.addr, Size: b.size, Born: b.born, Known: b.checks > 0, Active: b.active, Header: b.header, Print: b.print,
			})
		}
	}
	return list
}

func (s *Set) checkable(b *block) bool {
	return b.candidate || s.open && b.window == len(s.windows)-1
}

// Checked takes what a check at time now (ns) found for a candidate: that its chunk is free,
// or else its header and fingerprint. If the block has ended meanwhile, or another one has its
// address, Checked does nothing.
func (s *Set) Checked(c *Candidate, free bool, now uint64) {
	b := s.blocks[c.Address]
	if b == nil || b.born != c.Born || !s.checkable(b) {
		return
	}
	if free {
		s.end(b, now, &s.counters.FoundFree)
		return
	}
	if b.checks == 0 {
		b.header, b.print = c.Header, c.Print
	} else if b.print != c.Print {
		b.active = true
	}
	b.checks++
}
