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

// Kept is what a malloc keeps free of the memory of its arenas.
type Kept struct {
	// System is what all arenas have from the kernel, by brk and as heaps (arena in mallinfo2).
	// It is the sum of the chunks in use, of Free, and, in arenas other than the main one, of
	// some 2.3 KB for the arena and 48 bytes for each heap. Blocks that are mappings of their
	// own are not part of it.
	System uint64
	// Free is the bytes of free chunks (fordblks in mallinfo2): each arena's top chunk, its
	// fastbins, and its unsorted, small and large bins. If it is not Complete, more may be free.
	Free     uint64
	Complete bool
	// Cached is the bytes of chunks in threads' caches (tcache). The program has freed them, but
	// malloc counts them as in use: they are part of System and not of Free. CachedKnown says
	// that the caches of all threads were found and hold no more. From glibc 2.42 on, caches
	// count what they do not hold, and Cached is not known.
	Cached      uint64
	CachedKnown bool
	// Arenas is how many arenas there are, the main one included.
	Arenas int
}
