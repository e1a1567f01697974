package ptmalloc

// Status is what is known of a process's malloc at one moment.
type Status struct {
	// Brk is the range of the brk heap, as it was when it could last be read.
	Brk BrkRange
	// Params are those that were read last; Known: they were.
	Params Params
	Known  bool
	// Changes are those of the threshold, the first of them.
	Changes []ThresholdChange
	// Err is why Params are not known, nil if they are.
	Err error
	// Checkable: the state of chunks can be read.
	Checkable bool
}

// ThresholdChange is one of the threshold for mappings, in bytes, at a time (ns of
// CLOCK_MONOTONIC).
type ThresholdChange struct{ Time, From, To uint64 }

// Kept is the bytes of all heaps of a malloc, and how many of them it keeps free: at least
// these, where they are not complete.
type Kept struct {
	System, Free uint64
	Complete     bool
}
