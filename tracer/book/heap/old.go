package heap

import (
	"cmp"
	"math"
	"slices"

	"memtrace/tracer/book/live"
	"memtrace/tracer/trend"
)

// maxOldSizes is how many sizes of old blocks are told apart in a process. They take some 250
// KB. Sizes that come later are counted together.
const maxOldSizes = 1024

// oldFrees counts the frees of blocks that are older than the trace, by the size of their
// chunks. The zero oldFrees is empty. To forget it, replace it: a free that is taken back later then
// goes to the one that counted it.
//
// A free of an unknown block can also be of a block that was traced and lost: with its
// allocation, or to a gap. How many there may be is known, but not which ones. See old.
type oldFrees struct {
	bySize map[uint64]*oldSize
	// others is those of further sizes, unsized those without a size that counts.
	others, unsized oldSize
}

// oldSize is the old blocks of one size, or of several. bytes is that of their chunks.
type oldSize struct {
	blocks, bytes uint64
	growth        trend.Series
}

func (s *oldSize) add(now, chunk uint64) {
	s.growth.Advance(now, s.bytes)
	s.blocks++
	s.bytes += chunk
}

// takeBack undoes add: the block was not freed after all. s may be nil.
func (s *oldSize) takeBack(now, chunk uint64) {
	if s == nil {
		return
	}
	s.growth.Advance(now, s.bytes)
	s.blocks--
	s.bytes -= chunk
}

// report returns the part of s that is certain.
func (s *oldSize) report(chunk, start, now uint64, certain float64) live.OldFree {
	return live.OldFree{
		Chunk:          chunk,
		Blocks:         uint64(math.Round(certain * float64(s.blocks))),
		Bytes:          uint64(math.Round(certain * float64(s.bytes))),
		BytesPerSecond: certain * s.growth.Slope(start, now, s.bytes),
	}
}

// freeUnknown counts the free of a block that is not known, with a chunk of so many bytes, 0 if
// its size is not known. It returns where the block is counted as an old one, or nil.
func (h *Heap) freeUnknown(p *process, chunk uint64) *oldSize {
	p.counters.UnknownFree++
	s := &p.old.unsized
	switch h.cfg.traced(chunk) {
	case never:
		return nil
	case always:
		s = p.old.of(chunk)
	}
	s.add(h.now, chunk)
	return s
}

// of returns where a size is counted.
func (o *oldFrees) of(chunk uint64) *oldSize {
	s := o.bySize[chunk]
	switch {
	case s != nil:
		return s
	case len(o.bySize) >= maxOldSizes:
		return &o.others
	case o.bySize == nil:
		o.bySize = make(map[uint64]*oldSize)
	}
	s = new(oldSize)
	o.bySize[chunk] = s
	return s
}

// traced says whether blocks are, whose allocations are reported only between MinSize and
// MaxSize.
type traced uint8

const (
	always traced = iota
	never
	perhaps
)

// traced says whether the blocks with a chunk of so many bytes are traced. A chunk of another
// size than malloc can make says nothing.
func (c *Config) traced(chunk uint64) traced {
	// These are from glibc's malloc.c: the smallest chunk; what a chunk has besides the block;
	// how much more than that it can be larger by rounding and by a rest too small to be a
	// chunk; and the same of a mapping in pages of 4096 bytes.
	const smallest, header, excess, page = 32, 8, 15 + 16, 4096
	if chunk < smallest {
		return perhaps
	}
	most, spare := chunk-header, uint64(excess)
	if chunk%page == 0 {
		spare += page
	}
	least := most - min(most, spare)
	switch {
	case most < c.MinSize || least > c.MaxSize:
		return never
	case least >= c.MinSize && most <= c.MaxSize:
		return always
	}
	return perhaps
}

// old returns the frees of old blocks, and how many others may be of old blocks. Only where
// Options.Way knows the allocator's chunks do sizes mean anything.
func (h *Heap) old(opt *live.Options) (old []live.OldFree, unsized uint64) {
	p := h.procs.byPID[opt.PID]
	if p == nil {
		return nil, 0
	}
	all := p.old.others.blocks
	for _, s := range p.old.bySize {
		all += s.blocks
	}
	unsized = p.old.unsized.blocks
	if opt.Way == nil || all == 0 {
		return nil, unsized + all
	}
	// Up to as many of them as blocks were lost are no old ones, of whatever sizes.
	doubtful := min(opt.LostAllocs+p.counters.Dropped.Blocks, all)
	if doubtful == all {
		return nil, unsized + all
	}
	certain := 1 - float64(doubtful)/float64(all)
	now := max(opt.Now, h.now)
	add := func(chunk uint64, s *oldSize) {
		if s.blocks > 0 {
			old = append(old, s.report(chunk, p.start, now, certain))
		}
	}
	for chunk, s := range p.old.bySize {
		add(chunk, s)
	}
	add(0, &p.old.others)
	slices.SortFunc(old, func(a, b live.OldFree) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Chunk, b.Chunk))
	})
	return old, unsized + doubtful
}
