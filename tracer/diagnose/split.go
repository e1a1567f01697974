package diagnose

import (
	"errors"
	"fmt"

	"memtrace/tracer/book"
	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/process/target"
	"memtrace/tracer/report"
)

// Split sorts outstanding blocks by how glibc's malloc served them.
type Split struct {
	malloc *ptmalloc.Status
	brk    ptmalloc.BrkRange
	// smallest is the smallest chunk that is a mapping, 0 if there is none.
	smallest   uint64
	exceptions report.Exceptions
	// Ours says which servers are glibc's, nil if all are.
	Ours func(book.Server) bool
}

// NewSplit returns the Split of a malloc, nil if it is not glibc's.
func NewSplit(malloc *ptmalloc.Status) *Split {
	if malloc == nil {
		return nil
	}
	return &Split{malloc: malloc, brk: malloc.Brk}
}

// Way is for book.Asked.
func (s *Split) Way(brk uint64) live.Way {
	// Once the process is gone its heap's range cannot be read any more.
	s.brk.End = max(s.brk.End, brk)
	return s.way
}

// way is the live.Way of a block, by ptmalloc.Served.
func (s *Split) way(addr, size uint64, chunk event.Flags) (way int, taken uint64) {
	var header ptmalloc.Header
	if chunk&event.ChunkMmapped != 0 {
		header |= ptmalloc.IsMmapped
	}
	if chunk&event.ChunkArena != 0 {
		header |= ptmalloc.NonMainArena
	}
	served := ptmalloc.Serve(addr, header, s.brk)
	over := ptmalloc.OverThreshold(size, s.malloc.Params.MmapThreshold)
	switch {
	case served == ptmalloc.ServedMmap:
		if chunk, ok := ptmalloc.ChunkSize(size); ok && (s.smallest == 0 || chunk < s.smallest) {
			s.smallest = chunk
		}
		if s.malloc.Known && !over {
			add(&s.exceptions.BelowThresholdMmapped, size)
		}
	case s.malloc.Known && over:
		add(&s.exceptions.AboveThresholdInHeap, size)
	}
	return int(served), ptmalloc.Taken(size, served)
}

func add(s *report.Sum, size uint64) {
	s.Bytes += size
	s.Blocks++
}

// served names the ways.
func served(ways live.Served) report.Served {
	way := func(w ptmalloc.Served) report.Share {
		return report.Share{Sum: sum(ways[w].Sum, live.Sum{}), ChunkBytes: ways[w].Taken}
	}
	return report.Served{Brk: way(ptmalloc.ServedBrk), Arena: way(ptmalloc.ServedArena), Mmap: way(ptmalloc.ServedMmap)}
}

// split returns the report's section. start is when the trace began.
func (s *Split) split(ways live.Served, start uint64) *report.MallocSplit {
	v := s.malloc
	m := &report.MallocSplit{Served: served(ways), Exceptions: s.exceptions}
	if !v.Known {
		m.MmapThreshold, m.ThresholdSource = s.smallest, "inferred"
		return m
	}
	p := v.Params
	m.MmapThreshold, m.ThresholdSource = p.MmapThreshold, p.Source
	m.Dynamic, m.FrozenBy = p.Dynamic, p.FrozenBy
	m.MmapMax, m.MmappedBlocks, m.MmappedBytes = int(p.MmapMax), int(p.MmappedBlocks), p.MmappedBytes
	for _, c := range v.Changes {
		m.Changes = append(m.Changes, report.ThresholdChange{Seconds: float64(c.Time-min(start, c.Time)) / 1e9, From: c.From, To: c.To})
	}
	return m
}

// remarks returns notes on the split for the reader.
func (s *Split) remarks() (notes []string) {
	v := s.malloc
	if v.Err != nil && !errors.Is(v.Err, target.ErrNoProcess) {
		notes = append(notes, fmt.Sprintf("malloc's threshold for mappings is inferred from what was served how: %v.", v.Err))
	}
	if max := int64(v.Params.MmapMax); v.Known && max > 0 && int64(v.Params.MmappedBlocks)*10 >= max*9 {
		notes = append(notes, fmt.Sprintf("%d blocks are mappings of their own, of at most %d (M_MMAP_MAX): beyond that malloc serves large blocks from its heaps.", v.Params.MmappedBlocks, max))
	}
	return notes
}
