package report

// Served is blocks by the way in which glibc's malloc served them.
type Served struct {
	// Brk is the heap that brk grows.
	Brk Sum `json:"brk"`
	// Arena is memory that malloc mapped to cut blocks from: the arenas of
	// threads, and the main one's where brk failed.
	Arena Sum `json:"arena"`
	// Mmap is blocks that are mappings of their own.
	Mmap Sum `json:"mmap"`
}

// MallocSplit says which way glibc's malloc serves requests, and which way the
// outstanding blocks went that are at least OlderSeconds old.
type MallocSplit struct {
	// MmapThreshold is the chunk size in bytes from which on a request is served
	// by a mapping, 0 if unknown. ThresholdSource says how it is known: by
	// "mp_ symbol" or "mp_ image", malloc's own variable, or "inferred" from the
	// smallest block that is a mapping.
	MmapThreshold   uint64 `json:"mmap_threshold"`
	ThresholdSource string `json:"threshold_source"`
	// Dynamic: the free of a mapped block raises the threshold. FrozenBy is what
	// put an end to that.
	Dynamic  bool     `json:"dynamic"`
	FrozenBy []string `json:"frozen_by,omitempty"`
	// Changes of the threshold during the trace.
	Changes []ThresholdChange `json:"threshold_changes,omitempty"`
	// MmapMax is the most blocks that may be mappings (M_MMAP_MAX); MmappedBlocks
	// are, of all that the process holds, with MmappedBytes of mappings.
	MmapMax       int    `json:"mmap_max"`
	MmappedBlocks int    `json:"mmapped_blocks"`
	MmappedBytes  uint64 `json:"mmapped_bytes"`
	Served
	Exceptions Exceptions `json:"exceptions"`
}

// ThresholdChange is a new threshold and when it was first seen, in seconds from
// the start of the trace.
type ThresholdChange struct {
	Seconds float64 `json:"seconds"`
	From    uint64  `json:"from"`
	To      uint64  `json:"to"`
}

// Exceptions are outstanding blocks that went the other way than their size says
// at the threshold now in force.
type Exceptions struct {
	BelowThresholdMmapped Sum `json:"below_threshold_mmapped"`
	AboveThresholdInHeap  Sum `json:"above_threshold_in_heap"`
}
