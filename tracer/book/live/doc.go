// Package live is what the ledgers of live memory share, whether of malloc blocks
// (tracer/book/heap) or of mappings (tracer/book/vm): the account of a call stack (Account), the count
// of what is outstanding (Census), and the Snapshot made of both.
//
// The ledger defines what a block is. For the heap it is what one call of malloc returned. For
// mappings it is a region, and several regions may be left of what one call mapped. Allocated
// and freed blocks count calls: a mapping is freed when nothing of it is left.
//
// The package is a pure function of its input. All times are nanoseconds of CLOCK_MONOTONIC.
package live
