package live

import "memtrace/tracer/trend"

// Account is what is kept of one call stack of one process, 240 bytes. The zero Account is
// empty.
//
// The fields that change with every free come first, then those that change with every
// allocation: with some thousand stacks, their cache lines are what a ledger waits for.
type Account struct {
	// Bytes is what is outstanding, of any age. Blocks is the number of allocations that it
	// belongs to, each counted once.
	Bytes, Blocks uint64
	// due is when the next sample of growth is.
	due uint64

	// AllocatedBytes and AllocatedBlocks are totals since tracing began.
	AllocatedBytes, AllocatedBlocks uint64
	recent                          trend.Recent

	// DroppedBlocks left without a free: by exec or a gap. Survival treats them as never
	// allocated, because what became of them is unknown.
	DroppedBlocks uint64

	growth trend.Series
}

// Allocate counts an allocation of size bytes at time (ns). It does not make it outstanding.
// All calls for one account must pass the same clock.
func (a *Account) Allocate(c *trend.Clock, time, size uint64) {
	a.AllocatedBytes += size
	a.AllocatedBlocks++
	a.recent.Add(c.Bucket(time))
}

// Drop counts an allocation made at time (ns), which is no longer outstanding, as one whose
// end is unknown.
func (a *Account) Drop(c *trend.Clock, time uint64) {
	a.DroppedBlocks++
	a.recent.Take(c.Bucket(time))
}

// Grow adds outstanding bytes at time now (ns).
func (a *Account) Grow(now, bytes uint64) {
	if now >= a.due {
		a.sample(now)
	}
	a.Bytes += bytes
}

// sample notes what is outstanding, which is about to change.
func (a *Account) sample(now uint64) {
	a.growth.Advance(now, a.Bytes)
	a.due = a.growth.Next()
}

// Inherit adds what is outstanding at a time (ns) without having grown before: it is from a
// parent's memory.
func (a *Account) Inherit(time uint64, sum Sum) {
	a.Blocks += sum.Blocks
	a.Bytes += sum.Bytes
	a.growth.Begin(time, a.Bytes)
	a.due = a.growth.Next()
}

// Shrink removes outstanding bytes at time now (ns).
func (a *Account) Shrink(now, bytes uint64) {
	if now >= a.due {
		a.sample(now)
	}
	a.Bytes -= bytes
}

// History returns what was outstanding until now (ns), as far as it is kept.
func (a *Account) History(now uint64) []trend.Sample { return a.growth.Samples(now, a.Bytes) }

// survival returns what part of the allocations before bucket is outstanding, given how many
// of them are.
func (a *Account) survival(bucket, outstanding uint64) float64 {
	counted := a.AllocatedBlocks - a.DroppedBlocks
	settled := counted - min(a.recent.Since(bucket), counted)
	if settled == 0 {
		outstanding, settled = a.Blocks, counted
	}
	if settled == 0 {
		return 0
	}
	return min(float64(outstanding)/float64(settled), 1)
}
