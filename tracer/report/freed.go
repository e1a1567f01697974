package report

// FreeSide says where the blocks of a stack that leaks are freed. It rests on samples of frees.
type FreeSide struct {
	// By is where blocks of the stack were freed, most first. It is empty if no free of one was
	// sampled. Then Siblings is where the blocks of other stacks were freed that were allocated by
	// the same function of the program.
	By       []Freer `json:"by"`
	Siblings []Freer `json:"siblings,omitempty"`
	// Missing is a function that frees other blocks like one of those above, but none of this
	// stack's.
	Missing *MissingFree `json:"missing,omitempty"`
	// Text says it in a sentence or two.
	Text string `json:"text"`
}

// Freer is a place where blocks are freed.
type Freer struct {
	// Share is its part of the frees, 0 to 1, estimated from Samples frees.
	Share   float64 `json:"share"`
	Samples uint64  `json:"samples"`
	// OwnFrame is the index in Frames of the first function of the program itself, Truncated says
	// that the stack is deeper than Frames, as in Stack.
	OwnFrame  int     `json:"own_frame"`
	Truncated bool    `json:"truncated"`
	Frames    []Frame `json:"frames"`
}

// MissingFree is a function that may lack a free.
type MissingFree struct {
	// By and Like are called by the same function. Like frees blocks of the stack, and both free
	// what Other allocates. No free of the stack's blocks was seen within By.
	By    Frame `json:"by"`
	Like  Frame `json:"like"`
	Other Frame `json:"other"`
	// Samples is how many frees of those other blocks were seen within By.
	Samples uint64 `json:"samples"`
}

// representable returns a copy in which every string fits into JSON.
func (f *FreeSide) representable() *FreeSide {
	if f == nil {
		return nil
	}
	c := *f
	c.By, c.Siblings, c.Text = representableFreers(f.By), representableFreers(f.Siblings), bounded(f.Text)
	if c.By == nil {
		c.By = []Freer{}
	}
	if m := f.Missing; m != nil {
		c.Missing = &MissingFree{By: *m.By.representable(), Like: *m.Like.representable(), Other: *m.Other.representable(), Samples: m.Samples}
	}
	return &c
}

func representableFreers(list []Freer) []Freer {
	list = append([]Freer(nil), list...)
	for i := range list {
		list[i].Frames = representableFrames(list[i].Frames)
	}
	return list
}

// freed writes where the blocks of a stack are freed, and where they are not.
func (p *printer) freed(s *Stack) {
	if s.Freed != nil && s.Freed.Text != "" {
		p.paragraph(span{text: pad("", stackIndent)}, escape(s.Freed.Text), plain)
	}
}

// freedLines is how many lines freed takes about.
func (p *printer) freedLines(s *Stack) int {
	if s.Freed == nil || s.Freed.Text == "" {
		return 0
	}
	return 1 + columns(s.Freed.Text)/max(p.width-stackIndent, 1)
}
