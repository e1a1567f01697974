package report

// Growth is what a report on the growth of an address space has beside the stacks
// that made it grow: where its memory was first touched. All figures are estimates,
// from a sample of the page faults.
type Growth struct {
	Faults Faults `json:"faults"`
	// FaultStacks are the stacks that touched memory first, by what is still there,
	// largest first. FaultStacksTotal is how many there were before the list was cut.
	FaultStacks      []FaultStack `json:"fault_stacks"`
	FaultStacksTotal int          `json:"fault_stacks_total"`
}

// Faults sums up the page faults for memory that was not there.
type Faults struct {
	// Sampled is false where the kernel does not tell of page faults.
	Sampled bool `json:"sampled"`
	// Count is the faults that samples stood for, Lost those of samples that there
	// was no room for.
	Count uint64 `json:"count"`
	Lost  uint64 `json:"lost"`
	// FaultEstimate is what they brought of memory that is not a file's, and is still
	// there.
	FaultEstimate
}

// FaultEstimate is bytes that were derived from a sample of page faults.
type FaultEstimate struct {
	Bytes   uint64 `json:"bytes"`
	Samples uint64 `json:"samples"`
	// Estimated is true, for readers of the JSON form.
	Estimated bool `json:"estimated"`
}

// Add takes up one sample.
func (e *FaultEstimate) Add(bytes uint64) {
	e.Bytes += bytes
	e.Samples++
	e.Estimated = true
}

// FaultStack is a call stack at which memory was touched for the first time.
type FaultStack struct {
	ID string `json:"id"`
	FaultEstimate
	// Classes is Bytes by the class of the memory, largest first.
	Classes   []ClassBytes `json:"classes"`
	Truncated bool         `json:"truncated"`
	Frames    []Frame      `json:"frames"`
}

// ClassBytes is a part of an address space by class; see Region.
type ClassBytes struct {
	Class string `json:"class"`
	Label string `json:"label"`
	Bytes uint64 `json:"bytes"`
}

// representable returns a copy of g, without stacks, whose strings fit into JSON and
// whose lists are not nil.
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

// representable returns a copy of s whose strings fit into JSON and whose lists are not
// nil.
func (s FaultStack) representable() FaultStack {
	s.Frames = representableFrames(s.Frames)
	s.Classes = append([]ClassBytes{}, s.Classes...)
	return s
}
