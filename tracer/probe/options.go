package probe

// Options say what to load into the kernel, and how.
type Options struct {
	// GrowthOnly leaves out the programs for allocation functions.
	GrowthOnly bool
	// Follow makes the children of traced processes traced, too.
	Follow bool
	// StackDepth is how many frames of a stack are kept, 1 to 127.
	StackDepth int
	// MinSize and MaxSize bound the blocks that are reported, in requested bytes.
	MinSize, MaxSize uint64
	// RingSize is the ring buffer's size in bytes, a power of two and a multiple of the
	// page size.
	RingSize int
	// Spills overrides the size of the map for frees that do not fit into the ring.
	Spills uint32
	// Older asks for the ways of older kernels.
	Older Older
	// Logf receives remarks.
	Logf func(format string, args ...any)
}

// Older selects ways that older kernels need and newer ones still have. Tests use it.
type Older struct {
	// SingleUprobes attaches every uprobe with a perf event of its own, as before 6.6.
	SingleUprobes bool
	// SeparateReturns uses return probes next to entry probes, as before 6.13.
	SeparateReturns bool
	// FramePointers walks stacks by frame pointers, as before 5.13.
	FramePointers bool
	// ExitTracepoint sees system calls end by the tracepoint that all of them share, as
	// kernels must that have no task work and cannot attach to functions. EntryTracepoint sees
	// them begin that way, too, as such kernels must before 6.14.
	ExitTracepoint, EntryTracepoint bool
}
