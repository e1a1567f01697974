package report

// Mark is a moment that was marked while the process was traced.
type Mark struct {
	// AtSeconds is when, since the trace began.
	AtSeconds float64 `json:"at_seconds"`
	Name      string  `json:"name"`
}

// sinceMark says how much of what was allocated since the last mark is still there.
func (p *printer) sinceMark(r *Report, _ TextOptions) {
	if len(r.Marks) == 0 {
		return
	}
	last := r.Marks[len(r.Marks)-1]
	text := "Since " + last.label() + ", " + Seconds(max(r.DurationSeconds-last.AtSeconds, 0)) + " ago: "
	if r.SinceMark == nil {
		p.paragraph(span{}, text+"what was allocated and is still there is not known in windows of time.", plain)
		return
	}
	p.paragraph(span{}, text+exactBytes(r.SinceMark.Bytes)+" in "+counted(r.SinceMark.Blocks, "block")+" were allocated and are still there"+older(r)+".", plain)
}

// label is how the text form calls a mark.
func (m *Mark) label() string { return "the mark " + cutRight(escape(m.Name), 40) }

// sinceMarkItem says of a stack how much of it is from since the last mark.
func sinceMarkItem(r *Report, s *Stack) (items []span) {
	if r.SinceMark == nil {
		return nil
	}
	return texts(Size(s.SinceMarkBytes) + " in " + counted(s.SinceMarkBlocks, "block") + " since the mark")
}
