// Package heap ties live malloc blocks to the stacks that allocated them.
//
// A Heap is fed the events of one or more processes (Apply) and the frees that
// did not fit into the ring buffer (ApplyLateFree), in whatever order the two
// arrive, and answers with a Snapshot: which stacks hold how much memory, how
// old it is and how it develops. Where something was lost for good the blocks
// concerned are dropped and counted rather than reported: a block in a
// snapshot is one whose allocation was seen and whose free was neither seen nor
// lost.
//
// The package is a pure function of its input. It reads no clock: all times are
// nanoseconds of CLOCK_MONOTONIC as events carry them. A Heap is not safe for
// concurrent use.
//
// The parts: table.go and shard.go hold the live blocks; stack.go the sums by
// stack; realloc.go blocks that are inside realloc; late.go frees out of order
// and gaps; snapshot.go what is made of it, with
// tracer/live.
package heap
