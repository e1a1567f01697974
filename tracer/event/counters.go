package event

// Counters are what the BPF programs have counted for all processes together since the trace
// began (struct counters of bpf/event.h).
type Counters struct {
	// LostAlloc counts allocations for which the ring had no room, LostAllocBytes their size.
	LostAlloc, LostAllocBytes uint64
	// LostFree counts frees for which neither the ring nor the spill map had room, and blocks
	// given up whose address could not be read.
	LostFree uint64
	// LostStack counts call stacks that could not be sent, or not with all that they need.
	LostStack uint64
	// LostMmap counts system calls that change an address space and could not be sent.
	LostMmap uint64
	// LostThread counts calls of threads for whose state there was no room.
	LostThread uint64
	// Stale counts calls whose return was never seen.
	Stale uint64
	// GapTime is when a free was last lost for good, ns of CLOCK_MONOTONIC.
	GapTime uint64
	// Spilled counts events that went to the spill map because the ring was full.
	Spilled uint64
	// CutNoRule to CutDepth count stacks that were cut short: in code without unwind rules, by
	// a rule that needs a lost register, by an unreadable stack, at the depth limit.
	CutNoRule, CutBadRule, CutBadStack, CutDepth uint64
	// LostFault counts samples of page faults that could not be sent.
	LostFault uint64
	// HighSignalStack counts threads whose signal stack lies above their own stack.
	HighSignalStack uint64
}
