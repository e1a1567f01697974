package main

import (
	"math"
	"runtime/debug"

	"memtrace/tracer"
)

// leastMemory is the least --max-memory.
const leastMemory = 256 << 20

// limitMemory has the garbage collector work harder when memtrace comes near to
// --max-memory: what was thrown away counts, too. It is to be called now and then, since
// blocks come and go.
func limitMemory(s tracer.Status) { debug.SetMemoryLimit(int64(min(s.Room, math.MaxInt64))) }

// keepMemoryLimit returns what restores the limit that there is.
func keepMemoryLimit() (restore func()) {
	before := debug.SetMemoryLimit(-1)
	return func() { debug.SetMemoryLimit(before) }
}
