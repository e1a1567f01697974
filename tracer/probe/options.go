package probe

// Options say what is to be put into the kernel, and how.
type Options struct {
	// GrowthOnly does without programs for allocation functions.
	GrowthOnly bool
	// StackDepth is how many frames of a stack are kept, 1 to 127.
	StackDepth int
	// MinSize and MaxSize bound the blocks that are reported, in requested bytes.
	MinSize, MaxSize uint64
	// RingSize is the ring buffer's size in bytes, a power of two and a multiple of the
	// page size.
	RingSize int
	// Spills overrides the size of the map for frees that the ring cannot take.
	Spills uint32
	// Older has it done as older kernels need it.
	Older Older
	// Logf receives remarks.
	Logf func(format string, args ...any)
}

// Older are the ways of older kernels, which newer ones have, too. Tests ask for them.
type Older struct {
	// SingleUprobes attaches every uprobe by a perf event of its own, as before 6.6.
	SingleUprobes bool
	// SeparateReturns has return probes beside those on entries, as before 6.13.
	SeparateReturns bool
	// FramePointers walks stacks as before 5.13.
	FramePointers bool
	// ExitTracepoint sees system calls end by the tracepoint of all of them, as kernels
	// have to that have no task work and allow no attaching to functions; EntryTracepoint
	// sees them begin that way, too, as such kernels before 6.14 have to.
	ExitTracepoint, EntryTracepoint bool
}
