package report

// Timeline is how memory developed while the process was traced. There are at most some 600
// moments: once there are that many, every second one is dropped, and from then on fewer are kept.
type Timeline struct {
	// Seconds are the moments, from the start of the trace. The lists below have a value for each.
	Seconds []float64 `json:"seconds"`
	// ResidentBytes is resident memory by the kernel's count. The others are addresses that can be
	// accessed: of the heap grown by brk, of the arenas of threads, and of anonymous mappings, those
	// that malloc made for single blocks among them.
	ResidentBytes []uint64 `json:"resident_bytes"`
	BrkBytes      []uint64 `json:"brk_bytes"`
	ArenaBytes    []uint64 `json:"arena_bytes"`
	MmapBytes     []uint64 `json:"mmap_bytes"`
	// Stacks are those that come first in the report, where every call was traced.
	Stacks []StackTimeline `json:"stacks,omitempty"`
}

// StackTimeline is what a stack held at some moments of its own.
type StackTimeline struct {
	ID string `json:"id"`
	// Seconds are from the start of the trace. Bytes is what was outstanding then, of any age.
	Seconds []float64 `json:"seconds"`
	Bytes   []uint64  `json:"bytes"`
}
