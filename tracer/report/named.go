package report

// Named returns a copy of s with its frames filled in.
func (r *Report) Named(s *Stack) Stack {
	c := *s
	if r.Name != nil && c.Frames == nil {
		r.Name(&c)
	}
	return c
}

// NamedFaults is Named for a stack of page faults.
func (r *Report) NamedFaults(s *FaultStack) FaultStack {
	c := *s
	if r.Name != nil && c.Frames == nil {
		named := Stack{ID: s.ID}
		r.Name(&named)
		c.Frames, c.OwnFrame, c.Truncated = named.Frames, named.OwnFrame, named.Truncated
	}
	return c
}
