package report

import "encoding/json"

// Later is what the answer of a report is made from beside the report itself, so that it can be made anew
// once there are names (answer.Evidence). It is empty for a sum of several processes.
type Later struct {
	Evidence json.RawMessage `json:"evidence,omitempty"`
}

// FillIn gives a stack of the report its frames, unless it has them.
func (r *Report) FillIn(s *Stack) {
	if r.Name != nil && s.Frames == nil {
		r.Name(s)
	}
}

// Named returns a copy of s with its frames filled in.
func (r *Report) Named(s *Stack) Stack {
	c := *s
	r.FillIn(&c)
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
