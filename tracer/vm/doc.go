// Package vm keeps the ledger of the mappings that traced programs make
// themselves with mmap and mremap, by the stack that made them.
//
// A Ledger is fed events (Apply) and the unmaps that did not fit into the ring
// buffer (ApplyLateUnmap), in whatever order the two arrive, and answers with a
// Snapshot. Only anonymous mappings made outside of the allocator become
// outstanding; but every mapping replaces what was in its range, whoever made
// it, and every munmap takes away what it hits, be it a part of a mapping, or
// several.
//
// NewGrowthLedger makes a ledger of growth instead: whatever adds memory that can be
// used is outstanding, be it the allocator's, and a break that rises and mprotect add
// as well (growth.go).
//
// The package is a pure function of its input. It reads no clock: all times are
// nanoseconds of CLOCK_MONOTONIC as events carry them. A Ledger is not safe for
// concurrent use.
//
// The parts: ledger.go says what each event means; regions.go holds the regions
// of a process in order of address; stack.go the sums by stack; undo.go what
// system calls that may fail yet have removed; late.go unmaps out of order;
// snapshot.go what is made of it, with tracer/live.
package vm
