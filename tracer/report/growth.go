package report

// Growth is what a report on the growth of an address space has besides the stacks that made
// it grow: where its memory was first touched. All figures are estimates from a sample of the
// page faults.
type Growth struct {
	Faults Faults `json:"faults"`
	// FaultStacks are the stacks that touched memory first, sorted by how much of it is still
	// there, largest first. FaultStacksTotal is how many there were before the list was cut.
	FaultStacks      []FaultStack `json:"fault_stacks"`
	FaultStacksTotal int          `json:"fault_stacks_total"`
}

// Faults sums up the page faults on memory that was not yet there.
type Faults struct {
	// Sampled is false where the kernel does not report page faults.
	Sampled bool `json:"sampled"`
	// Count is the number of faults that the samples stand for, Lost the number of those whose
	// samples there was no room for.
	Count uint64 `json:"count"`
	Lost  uint64 `json:"lost"`
	// FaultEstimate is the memory that the faults brought in and that is still there, without
	// the memory of files.
	FaultEstimate
}

// FaultEstimate is a number of bytes derived from a sample of page faults.
type FaultEstimate struct {
	Bytes   uint64 `json:"bytes"`
	Samples uint64 `json:"samples"`
	// Estimated is true, for readers of the JSON form.
	Estimated bool `json:"estimated"`
}

// Add counts one sample.
func (e *FaultEstimate) Add(bytes uint64) {
	e.Bytes += bytes
	e.Samples++
	e.Estimated = true
}

// FaultStack is a call stack at which memory was touched for the first time.
type FaultStack struct {
	ID string `json:"id"`
	FaultEstimate
	// Classes splits Bytes by the class of the memory, largest first.
	Classes   []ClassBytes `json:"classes"`
	Truncated bool         `json:"truncated"`
	// OwnFrame is that of Stack.
	OwnFrame int     `json:"own_frame"`
	Frames   []Frame `json:"frames"`
}

// ClassBytes is the part of an address space in one class; see Region.
type ClassBytes struct {
	Class string `json:"class"`
	Label string `json:"label"`
	Bytes uint64 `json:"bytes"`
}

// representable returns a copy of g without its stacks, in which every string fits into JSON
// and no list is nil.
func (g *Growth) representable() *Growth {
	if g == nil {
		return nil
	}
	c := *g
	c.FaultStacks = []FaultStack{}
	return &c
}

// faultStacks returns how many FaultStacks there are; g may be nil.
func (g *Growth) faultStacks() int {
	if g == nil {
		return 0
	}
	return len(g.FaultStacks)
}

// representable returns a copy of s in which every string fits into JSON and no list is nil.
func (s FaultStack) representable() FaultStack {
	s.Frames = representableFrames(s.Frames)
	s.Classes = append([]ClassBytes{}, s.Classes...)
	return s
}
