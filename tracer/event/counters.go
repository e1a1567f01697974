package event

// Counters are what the BPF programs count for all processes together, since the trace
// began (struct counters of bpf/event.h).
type Counters struct {
	// LostAlloc are allocations for which the ring had no room, LostAllocBytes their size.
	LostAlloc, LostAllocBytes uint64
	// LostFree are frees for which neither the ring nor the spill map had room.
	LostFree uint64
	// LostStack are call stacks that could not be sent.
	LostStack uint64
	// LostMmap are system calls that change an address space and could not be sent.
	LostMmap uint64
	// LostThread are calls of threads for whose state there was no room.
	LostThread uint64
	// Stale are calls whose return was never seen.
	Stale uint64
	// GapTime is when a free was last lost for good, ns of CLOCK_MONOTONIC.
	GapTime uint64
	// Spilled are events that went to the spill map, since the ring was full.
	Spilled uint64
	// CutNoRule to CutDepth are stacks that were cut short: in code without unwind rules, by
	// a rule that needs a register that is lost, by an unreadable stack, at the depth limit.
	CutNoRule, CutBadRule, CutBadStack, CutDepth uint64
	// LostFault are samples of page faults that could not be sent.
	LostFault uint64
	// HighSignalStack are threads whose signal stack lies above their own.
	HighSignalStack uint64
}
