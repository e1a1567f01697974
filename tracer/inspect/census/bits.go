package census

import (
	"math/bits"
	"sort"
)

// group is where blocks begin and end in groupUnits units of 16 bytes. A block of malloc begins with
// a unit and ends in the middle of one, so that of two bits for each unit one says that a block
// begins with it, and one that a block ends in it. Counts of bits then tell the blocks' numbers.
type group struct {
	// starts and ends are how many blocks begin and end before the group, in its segment.
	starts, ends uint32
	start, end   [groupWords]uint64
}

const (
	groupWords = 8
	groupUnits = 64 * groupWords
	groupBytes = 8 + 2*8*groupWords
)

// regular reports whether a group can have a block of this size.
func regular(size uint64) bool { return size%unit == unit/2 && size < mostSpan }

// compact makes groups of entries that are all regular, nil if that takes more memory.
func compact(entries []entry) []group {
	last := entries[len(entries)-1]
	n := (uint64(last.off)+uint64(last.size)/unit)/groupUnits + 1
	if n*groupBytes > uint64(len(entries))*entryBytes {
		return nil
	}
	groups := make([]group, n)
	for _, e := range entries {
		groups[e.off/groupUnits].start[e.off/64%groupWords] |= 1 << (e.off % 64)
		end := e.off + e.size/unit
		groups[end/groupUnits].end[end/64%groupWords] |= 1 << (end % 64)
	}
	var starts, ends uint32
	for i := range groups {
		g := &groups[i]
		g.starts, g.ends = starts, ends
		for w := range groupWords {
			starts += uint32(bits.OnesCount64(g.start[w]))
			ends += uint32(bits.OnesCount64(g.end[w]))
		}
	}
	return groups
}

// find returns the place of the last block that begins at addr or before, and whether addr is inside
// of it or at its end: then fewer blocks have ended before than have begun.
func (s *segment) find(addr uint64) (k int, inside bool) {
	at := (addr - s.base) / unit
	if at/groupUnits >= uint64(len(s.groups)) {
		return s.n - 1, false
	}
	g := &s.groups[at/groupUnits]
	starts, ends := g.starts, g.ends
	word, bit := at/64%groupWords, at%64
	for w := range word {
		starts += uint32(bits.OnesCount64(g.start[w]))
		ends += uint32(bits.OnesCount64(g.end[w]))
	}
	below := uint64(1)<<bit - 1
	starts += uint32(bits.OnesCount64(g.start[word] & (below | 1<<bit)))
	ends += uint32(bits.OnesCount64(g.end[word] & below))
	if g.end[word]>>bit&1 != 0 && addr%unit > unit/2 {
		ends++ // behind the end in the same unit
	}
	return int(starts) - 1, ends < starts
}

// units returns the first and the last unit of the block at a place.
func (s *segment) units(k int) (first, last int) {
	at := sort.Search(len(s.groups), func(i int) bool { return s.groups[i].starts > uint32(k) }) - 1
	g := &s.groups[at]
	first = at*groupUnits + bitAt(&g.start, k-int(g.starts))
	if at+1 < len(s.groups) && s.groups[at+1].ends <= uint32(k) {
		at = sort.Search(len(s.groups), func(i int) bool { return s.groups[i].ends > uint32(k) }) - 1
		g = &s.groups[at]
	}
	return first, at*groupUnits + bitAt(&g.end, k-int(g.ends))
}

// bitAt returns the place of the bit that is set before which n others are.
func bitAt(words *[groupWords]uint64, n int) int {
	for w, word := range words {
		if count := bits.OnesCount64(word); n >= count {
			n -= count
			continue
		}
		for ; n > 0; n-- {
			word &= word - 1
		}
		return 64*w + bits.TrailingZeros64(word)
	}
	return 0
}

// units goes through the blocks of groups.
type units struct {
	// The next block begins and ends behind these bits that were not passed, in the words with these
	// numbers.
	start, end         uint64
	startWord, endWord int
	began              bool
}

// next returns the first and the last unit of the next block, of which there is one.
func (u *units) next(groups []group) (first, last int) {
	if !u.began {
		u.began, u.start, u.end = true, groups[0].start[0], groups[0].end[0]
	}
	for u.start == 0 {
		u.startWord++
		u.start = groups[u.startWord/groupWords].start[u.startWord%groupWords]
	}
	for u.end == 0 {
		u.endWord++
		u.end = groups[u.endWord/groupWords].end[u.endWord%groupWords]
	}
	first = 64*u.startWord + bits.TrailingZeros64(u.start)
	last = 64*u.endWord + bits.TrailingZeros64(u.end)
	u.start &= u.start - 1
	u.end &= u.end - 1
	return first, last
}
