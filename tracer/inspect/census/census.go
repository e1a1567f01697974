package census

import (
	"time"

	"memtrace/tracer/process/ptmalloc"
)

// Range is a range of addresses.
type Range struct{ Start, End uint64 }

// Contains reports whether an address is in the range.
func (r Range) Contains(addr uint64) bool { return r.Start <= addr && addr < r.End }

// Census is one look at all blocks in use.
type Census struct {
	Start, End time.Time
	// At is when blocks were listed: half of that time was over. On a busy machine, and where much is
	// free, that may be long after Start. Each block was listed at most Within before or after it.
	At     time.Time
	Within time.Duration
	Blocks *Blocks
	// Shift says that Blocks are one of 1<<Shift of all, and all that are Large. It is 0 unless Walker.Sample
	// was set. Totals are of all.
	Shift uint
	// Heaps are the ranges that malloc manages, by address: those of arenas, with their free chunks
	// and malloc's own structures, and the mappings of single blocks.
	Heaps []Range
	// State are the ranges of malloc's own variables (main_arena, mp_), which point into the heap
	// but hold nothing.
	State  []Range
	Totals Totals
	// Skipped is what was not looked at, and why.
	Skipped []Skip

	heaps  []heap
	survey *ptmalloc.Survey
}

// Sum is a number of chunks and their bytes.
type Sum struct{ Chunks, Bytes uint64 }

// Totals are the bytes of chunks, with their headers.
type Totals struct {
	// InUse are the blocks that the program has, Mapped those of them with mappings of their own.
	InUse, Mapped Sum
	// Bins, Fast and Cached (in tcaches) are free chunks, Top those at the ends of arenas.
	Bins, Fast, Cached, Top Sum
	// MappedKnown is how many mapped blocks malloc itself counts (mp_.n_mmaps), and their bytes.
	MappedKnown Sum
	// Resyncs is how often the walk lost its way since the process changed the heap, and found it again.
	Resyncs int
}

// Skip is memory that was not looked at.
type Skip struct {
	Range
	Why string
}
