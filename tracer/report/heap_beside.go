package report

import "time"

// HeapBeside is what looks at the heap beside a trace have shown: what grows in it, and which stacks
// allocate that.
type HeapBeside struct {
	// Looks is how often all blocks were listed, DurationSeconds how long from the first look to the
	// last one, ReadSeconds the processor time that took. InUse is what was in use at the last one.
	// End is when the last one ended.
	Looks           int       `json:"looks"`
	End             time.Time `json:"end,omitzero"`
	DurationSeconds float64   `json:"duration_seconds"`
	ReadSeconds     float64   `json:"read_seconds"`
	InUse           HeapSum   `json:"in_use"`
	// Unread says why the heap was not looked at, or not to the end. Notes are further remarks.
	Unread string   `json:"unread,omitempty"`
	Notes  []string `json:"notes,omitempty"`
	// Growing are the groups that grow, from the third look on, those that grow by most bytes first.
	// GrowingTotal is how many there are.
	Growing      []HeapOrigin `json:"growing"`
	GrowingTotal int          `json:"growing_total"`
	// Suppressed is what suppressions hid of these; Stacks are groups.
	Suppressed []Suppressed `json:"suppressed,omitempty"`
	// Focus is how places were probed where calls return, nil where that was not needed.
	Focus *HeapFocus `json:"focus,omitempty"`
}

// HeapOrigin is a group of blocks that grows, and who allocates it.
type HeapOrigin struct {
	HeapGrowth
	// Checked is how many of its blocks that came since the first look were looked up, and Traced of how
	// many of these the stack is known: those of AllocatedBy, most blocks first.
	Checked     uint64       `json:"checked"`
	Traced      uint64       `json:"traced"`
	AllocatedBy []HeapSource `json:"allocated_by"`
	// LooksLike are stacks that have allocated blocks of the same size and kind that others hold. It is
	// empty unless Traced is 0 and the kind is known. That is no proof.
	LooksLike []HeapSource `json:"looks_like"`
	// SeenEverySeconds is how long it takes, on average, until a window sees the allocation of one such
	// block, 0 where every call is traced.
	SeenEverySeconds float64 `json:"seen_every_seconds,omitempty"`
}

// HeapSource is a stack that allocates blocks of a group.
type HeapSource struct {
	// ID is that of the stack, in Report.Stacks if it is there. Number is its place there, from 1 on, 0
	// if it is not.
	ID     string `json:"id"`
	Number int    `json:"number,omitempty"`
	Blocks uint64 `json:"blocks"`
	// Returned is how many of the blocks were seen where the call returned, outside of windows. Given is
	// how many blocks of that size the stack was seen to be given there, if Returned is not 0.
	Returned uint64 `json:"returned,omitempty"`
	Given    uint64 `json:"given,omitempty"`
	// OwnFrame, Truncated and Frames are as in Stack.
	OwnFrame  int     `json:"own_frame"`
	Truncated bool    `json:"truncated"`
	Frames    []Frame `json:"frames"`
}

// heapSome is how many blocks must have come to a group for it to be shown before it is certain to grow.
const heapSome = 5

// Grows reports whether a group grows, or seems to.
func (g *HeapGrowth) Grows() bool {
	return g.Class == HeapSteady || g.Class == HeapFilling || g.Class == HeapUnknown && g.Low > 0 && g.Came >= heapSome
}

// Numbered returns a copy in which the stacks have their places in the report, as it is now.
func (h *HeapBeside) Numbered(r *Report) *HeapBeside {
	if h == nil {
		return nil
	}
	c := *h
	c.Growing = append([]HeapOrigin{}, h.Growing...)
	places := make(map[string]int)
	for i := range r.Stacks {
		if _, ok := places[r.Stacks[i].ID]; !ok {
			places[r.Stacks[i].ID] = i + 1
		}
	}
	for i := range c.Growing {
		g := &c.Growing[i]
		for _, list := range []*[]HeapSource{&g.AllocatedBy, &g.LooksLike} {
			*list = append([]HeapSource{}, *list...)
			for k := range *list {
				s := &(*list)[k]
				s.Number = places[s.ID]
			}
		}
	}
	return &c
}

// representable returns a copy in which every string fits into JSON and no list is nil.
func (h *HeapBeside) representable(r *Report) *HeapBeside {
	c := h.Numbered(r)
	if c == nil {
		return nil
	}
	c.Unread, c.Focus = bounded(c.Unread), c.Focus.representable()
	c.Notes, c.Suppressed = boundedAll(c.Notes), representableSuppressed(c.Suppressed)
	for i := range c.Growing {
		g := &c.Growing[i]
		g.HeapGrowth = g.HeapGrowth.representable()
		for _, list := range [][]HeapSource{g.AllocatedBy, g.LooksLike} {
			for k := range list {
				list[k].Frames = representableFrames(list[k].Frames)
			}
		}
	}
	return c
}
