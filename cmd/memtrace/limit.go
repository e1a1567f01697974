package main

import (
	"math"
	"runtime/debug"

	"memtrace/tracer"
)

// leastMemory is the smallest --max-memory.
const leastMemory = 256 << 20

// limitMemory makes the garbage collector work harder when memtrace comes close to
// --max-memory, since garbage counts too. Call it from time to time, because blocks come and
// go.
func (s *session) limitMemory(status tracer.Status) {
	debug.SetMemoryLimit(int64(min(status.Room+s.heapLooks.memory(), math.MaxInt64)))
}

// keepMemoryLimit returns a function that restores the current limit.
func keepMemoryLimit() (restore func()) {
	before := debug.SetMemoryLimit(-1)
	return func() { debug.SetMemoryLimit(before) }
}
