package report

// named returns a copy of s with its frames filled in.
func (r *Report) named(s *Stack) Stack {
	c := *s
	if r.Name != nil && c.Frames == nil {
		r.Name(&c)
	}
	return c
}

// namedFaults is named for a stack of page faults.
func (r *Report) namedFaults(s *FaultStack) FaultStack {
	c := *s
	if r.Name != nil && c.Frames == nil {
		named := Stack{ID: s.ID}
		r.Name(&named)
		c.Frames, c.OwnFrame, c.Truncated = named.Frames, named.OwnFrame, named.Truncated
	}
	return c
}
