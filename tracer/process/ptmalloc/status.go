package ptmalloc

// Status is what is known of a process's malloc at one moment.
type Status struct {
	// Brk is the range of the brk heap, as it was when it could last be read.
	Brk BrkRange
	// Params are the parameters as they were last read. Known says that they were read.
	Params Params
	Known  bool
	// Changes are the first changes of the threshold.
	Changes []ThresholdChange
	// Err is why the state of the malloc cannot be read, nil if it can.
	Err error
}

// ThresholdChange is a change of the threshold for mappings, in bytes, at a time (ns of
// CLOCK_MONOTONIC).
type ThresholdChange struct{ Time, From, To uint64 }

// Kept is the bytes of all heaps of a malloc, and how many of them it keeps free. If it is not
// Complete, more may be free.
type Kept struct {
	System, Free uint64
	Complete     bool
}
