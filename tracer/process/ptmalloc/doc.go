// Package ptmalloc knows glibc's malloc: how it marks a chunk, when it serves a request by a
// mapping of its own, and where a process keeps the state of its allocator. It reads that
// state from outside, through /proc/PID/mem, while the process runs: nothing is stopped and
// nothing is written.
//
//   - Header, ChunkSize, OverThreshold and Serve are the rules for one block.
//   - Locate finds malloc's two static variables in a libc or a static
//     program: mp_, the parameters and the count of mappings, and main_arena.
//   - Open finds them in a process; Heap.Params and Heap.Arenas take a
//     snapshot of each.
//   - A Checker tells whether blocks that malloc handed out are still in use.
//     neighbours.go has the rule that decides most cases; the other files
//     decide those that it cannot. Checker.Verify walks over whole heaps for
//     what only such a walk can tell.
//   - Checker.Survey says where all chunks are, and Checker.Lists which of them
//     are free though their neighbours do not say so: for a census of all blocks.
//
// Nothing that is read is trusted. The process changes while it is read, and may have been
// made to mislead. Each pointer is checked before it is followed, each walk ends after a
// bounded number of steps, and figures that may be too low say so (Arena.Partial).
//
// Facts about glibc are from its sources, malloc/malloc.c and malloc/arena.c of 2.17 to 2.43,
// for 64-bit little-endian machines. What is read depends on the file's own initial data more
// than on its version, because distributions backport patches.
package ptmalloc
