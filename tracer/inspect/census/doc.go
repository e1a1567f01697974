// Package census lists every block in use of a process's glibc heap, from outside, while the
// process runs: no probe, no stop, and no page touched that is not there.
//
// Walker.Look finds malloc's arenas and their heaps by package ptmalloc, and walks over the chunks of
// each (walk.go). The process changes them meanwhile: what to do where they do not fit is in heal.go.
// Blocks with mappings of their own are in no list, and are looked for in the process's mappings
// (mapped.go). Chunks that look in use but are free are told by the mark of threads' caches, and by
// malloc's lists.
//
// A census of a process that waits is exact. In one that allocates without pause, all blocks that
// stay are found, and those that come or go during the walk may or may not be. What was not looked at
// is in Census.Skipped. Of a heap with more blocks than there may be only some are kept (sample.go).
//
// It reads /proc/PID/mem, because process_vm_readv would copy the pages that a forked process
// shares (procmem). What it keeps takes 2 bytes for each block where blocks are small, and at most 9. The
// walk takes about a second for ten million blocks in 1 GB.
//
// Where the program was stopped in the middle of malloc, or damaged its heap, what follows is found
// by looking for several plausible chunks in a row. What a program stores can look like that.
package census
