// Package heap ties live malloc blocks to the stacks that allocated them.
//
// A Heap takes the events of one or more processes (Apply) and the frees that did not fit into
// the ring buffer (ApplyLateFree), in whatever order the two arrive. Its Snapshot says which
// stacks hold how much memory, how old that memory is and how it develops. Where something was
// lost for good, the blocks concerned are dropped and counted, not reported: for every block
// in a snapshot the allocation was seen, and no free was either seen or lost.
//
// The package is a pure function of its input. It reads no clock: all times are nanoseconds of
// CLOCK_MONOTONIC, as events carry them. A Heap is not safe for concurrent use.
//
// table.go and shard.go hold the live blocks, stack.go the sums by stack. realloc.go holds
// blocks that are inside realloc. late.go handles frees out of order, and gaps. old.go counts
// the frees of blocks older than the trace. snapshot.go turns all that into a snapshot, with
// tracer/book/live.
package heap
