// Package vm keeps the ledger of the mappings that traced programs themselves make with mmap,
// mremap and shmat, by the stack that made them.
//
// A Ledger takes events (Apply) and the unmaps that did not fit into the ring buffer
// (ApplyLateUnmap), in whatever order the two arrive, and answers with a Snapshot.
// Mappings made outside the allocator become outstanding, of anonymous memory, of files and of
// shared memory, but not those of code. How much memory such a mapping takes a Ledger does not
// know: of a file that is mapped privately it is the pages written to. Every mapping replaces
// what was in its range, whoever made it, and every munmap removes what it hits, be it part of
// a mapping or several.
//
// NewGrowthLedger makes a ledger of growth instead: all added memory that can be used is
// outstanding, the allocator's included, and a rising break and mprotect add memory, too
// (growth.go).
//
// The package is a pure function of its input. It reads no clock: all times are nanoseconds of
// CLOCK_MONOTONIC, as events carry them. A Ledger is not safe for concurrent use.
//
// ledger.go says what each event means. regions.go holds a process's regions in order of
// address, stack.go the sums by stack. undo.go holds what system calls that may still fail
// have removed. late.go handles unmaps out of order, segments.go System V segments. snapshot.go
// turns all that into a snapshot, with tracer/book/live.
package vm
