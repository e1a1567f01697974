package ptmalloc

import "memtrace/tracer/process/procmem"

// span is a piece of memory to read.
type span = procmem.Span

// memory reads the address space of a process.
type memory interface {
	// Read fills the spans that can be read, and marks them.
	Read(spans []span)
}
