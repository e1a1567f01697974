package diagnose

import (
	"testing"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
	"memtrace/tracer/process/ptmalloc"
)

// Without malloc's own variable the smallest mapped block bounds the threshold, and no block
// is called an exception.
func TestThresholdIsInferred(t *testing.T) {
	s := NewSplit(&ptmalloc.Status{Err: ptmalloc.ErrNotFound, Brk: ptmalloc.BrkRange{Start: 0x1000, End: 0x100000}})
	ways := live.Served{}
	for _, b := range []struct {
		addr, size uint64
		chunk      event.Flags
	}{
		{0x2010, 300000, 0},
		{0x700000000010, 200000, event.ChunkMmapped},
		{0x710000000010, 400000, event.ChunkMmapped},
		{0x720000000010, 64, event.ChunkArena},
		{0x730000000010, 64, 0},
	} {
		way, taken := s.way(b.addr, b.size, b.chunk)
		ways[way].Add(b.size)
		ways[way].Taken += taken
	}
	got := s.split(ways, 0)
	if got.MmapThreshold != 200016 || got.ThresholdSource != "inferred" {
		t.Errorf("threshold %d, %s", got.MmapThreshold, got.ThresholdSource)
	}
	if got.Exceptions.AboveThresholdInHeap.Blocks+got.Exceptions.BelowThresholdMmapped.Blocks != 0 {
		t.Errorf("exceptions %+v of a threshold that is not known", got.Exceptions)
	}
	// What is neither in the brk range nor flagged is in an arena: brk failed.
	if got.Brk.Blocks != 1 || got.Arena.Blocks != 2 || got.Mmap.Bytes != 600000 {
		t.Errorf("split %+v", got.Served)
	}
	if notes := s.remarks(); len(notes) != 1 {
		t.Errorf("notes %q, want one on the inference", notes)
	}
}
