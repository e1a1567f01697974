// Package live is what the ledgers of live memory have in common, be it malloc
// blocks (tracer/heap) or mappings (tracer/vm): the account of a call stack
// (Account), the count of what is outstanding (Census), and the Snapshot that is
// made of both.
//
// What a block is the ledger says. For the heap it is what one call of malloc
// returned; for mappings it is a region, of which several may be left of what
// one call has mapped. Where allocated and freed blocks are counted, it is the
// calls: a mapping is freed when nothing of it is left.
//
// The package is a pure function of its input. All times are nanoseconds of
// CLOCK_MONOTONIC.
package live
