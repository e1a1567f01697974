package report

// Share is blocks that malloc served one way.
type Share struct {
	Sum
	// ChunkBytes is what malloc takes for them: a block of 1 byte is a chunk of 32.
	ChunkBytes uint64 `json:"chunk_bytes"`
}

// Served counts blocks by the way glibc's malloc served them.
type Served struct {
	// Brk is the heap grown by brk.
	Brk Share `json:"brk"`
	// Arena is memory that malloc mapped to carve blocks from: the arenas of threads, and the
	// main arena's where brk failed.
	Arena Share `json:"arena"`
	// Mmap is blocks that have a mapping of their own.
	Mmap Share `json:"mmap"`
}

// MallocSplit says how glibc's malloc serves requests, and how it served the outstanding
// blocks that are at least OlderSeconds old.
type MallocSplit struct {
	// MmapThreshold is the chunk size in bytes from which a request gets its own mapping, or 0
	// if unknown. ThresholdSource says how it is known: "mp_ symbol" and "mp_ image" read
	// malloc's own variable, "inferred" takes the smallest block that has its own mapping.
	MmapThreshold   uint64 `json:"mmap_threshold"`
	ThresholdSource string `json:"threshold_source"`
	// Dynamic: freeing a mapped block raises the threshold. FrozenBy is what ended that.
	Dynamic  bool     `json:"dynamic"`
	FrozenBy []string `json:"frozen_by,omitempty"`
	// Changes are the changes of the threshold during the trace.
	Changes []ThresholdChange `json:"threshold_changes,omitempty"`
	// MmapMax is the most blocks that may have their own mapping (M_MMAP_MAX). MmappedBlocks
	// is how many of the process's blocks have one, MmappedBytes the size of those mappings.
	MmapMax       int    `json:"mmap_max"`
	MmappedBlocks int    `json:"mmapped_blocks"`
	MmappedBytes  uint64 `json:"mmapped_bytes"`
	Served
	Exceptions Exceptions `json:"exceptions"`
}

// ThresholdChange is a new threshold and the time it was first seen, in seconds from the start
// of the trace.
type ThresholdChange struct {
	Seconds float64 `json:"seconds"`
	From    uint64  `json:"from"`
	To      uint64  `json:"to"`
}

// Exceptions are outstanding blocks that were served the other way than their size suggests at
// the threshold now in force.
type Exceptions struct {
	BelowThresholdMmapped Sum `json:"below_threshold_mmapped"`
	AboveThresholdInHeap  Sum `json:"above_threshold_in_heap"`
}
