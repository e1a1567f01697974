package heap

import (
	"math/bits"

	"memtrace/tracer/book/live"
)

// shortly is the class of lifetimes up to which a freed block was temporary, whoever freed it: up
// to 2^20 ns, some 1.05 ms.
const shortly = 10 - live.FirstLifetime

// histogram counts blocks in classes that are four times as wide as the one before. Counts are
// small, so that those of a stack are in the cache lines that change anyway. Only each 256th block of
// a class goes to counts, which most stacks never need.
type histogram [live.Classes]uint8

const counted = 1 << 8

// counts are those that do not fit into the histograms of a stack.
type counts struct{ sizes, lifetimes live.Histogram }

// countsBytes is what they take.
const countsBytes = 2 * live.Classes * 8

// counts returns those of a stack, new ones if need be.
func (ss *stacks) counts(s *stack) *counts {
	if s.counts == nil {
		s.counts = new(counts)
		ss.counted++
	}
	return s.counts
}

// classOf returns the class of a value: 0 up to 4^first, and so on.
func classOf(value uint64, first int) int {
	// Of values up to 4^n, one less has at most 2n bits.
	n := (bits.Len64(value-min(value, 1)) + 1) / 2
	return min(max(n-first, 0), live.Classes-1)
}

// end counts the end of a block at a time (ns), by a free or a realloc. next: it was the next
// call of the thread that had allocated it.
func (h *Heap) end(s *stack, b *block, time uint64, next bool) {
	class := classOf(time-min(b.time, time), live.FirstLifetime)
	if s.lifetimes[class]++; s.lifetimes[class] == 0 {
		h.stacks.carryLifetime(s, class)
	}
	if next && class > shortly {
		s.freedNext++
	}
}

// countSize counts the size of a block that is allocated.
func (h *Heap) countSize(s *stack, size uint64) {
	class := classOf(size, live.FirstSize)
	if s.sizes[class]++; s.sizes[class] == 0 {
		h.stacks.carrySize(s, class)
	}
}

func (ss *stacks) carrySize(s *stack, class int) { ss.counts(s).sizes[class] += counted }

func (ss *stacks) carryLifetime(s *stack, class int) { ss.counts(s).lifetimes[class] += counted }

// measures are what a stack has counted.
type measures struct {
	// counts are all, not only those in stack.counts.
	counts
	freed, temporary uint64
}

func (s *stack) measures() (m measures) {
	if s.counts != nil {
		m.counts = *s.counts
	}
	m.freed, m.temporary = s.freedUnseen, s.freedNext
	for class := range live.Classes {
		m.sizes[class] += uint64(s.sizes[class])
		m.lifetimes[class] += uint64(s.lifetimes[class])
		m.freed += m.lifetimes[class]
		if class <= shortly {
			m.temporary += m.lifetimes[class]
		}
	}
	return m
}

// absorb adds the counts of another stack, which is given up.
func (ss *stacks) absorb(into, s *stack) {
	into.freedNext += s.freedNext
	into.freedUnseen += s.freedUnseen
	m, c := s.measures(), ss.counts(into)
	c.sizes.Merge(m.sizes)
	c.lifetimes.Merge(m.lifetimes)
}
