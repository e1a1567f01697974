package region

import (
	"cmp"
	"encoding/binary"
	"slices"
)

const (
	prevInuse   = 1
	isMmapped   = 2
	nonMain     = 4
	hugePage    = 1 // in prev_size, from glibc 2.43 on
	chunkHeader = 16
	// maxChunks bounds how many chunks are read in one mapping: twice the default of
	// M_MMAP_MAX.
	maxChunks = 2 * 65536
)

// chunkAt returns the size of the chunk that malloc mapped at addr, or 0 if there is no chunk
// or it reaches beyond end. The header of such a chunk is prev_size, which is 0, and the size,
// with IS_MMAPPED as its only flag. A chunk of memalign keeps that header at the start of its
// mapping. The size is a multiple of the page up to glibc 2.42, and 16 bytes less from 2.43
// on.
func (c *classifier) chunkAt(addr, end uint64) uint64 {
	var buf [chunkHeader]byte
	if !c.src.Read(addr, buf[:]) {
		return 0
	}
	before, head := binary.LittleEndian.Uint64(buf[:]), binary.LittleEndian.Uint64(buf[8:])
	if before&^hugePage != 0 || head&(prevInuse|isMmapped|nonMain) != isMmapped {
		return 0
	}
	size := head &^ (prevInuse | isMmapped | nonMain)
	if size%page == page-chunkHeader {
		size += chunkHeader
	}
	if size == 0 || size%page != 0 || size > end-addr {
		return 0
	}
	return size
}

// chunks counts the chunks that follow one another from start, and returns the end of the last
// one. Chunks that were known before are not read again, except in a fresh classification.
func (c *classifier) chunks(start, end uint64) (chunksEnd uint64, n int) {
	at := start
	for range maxChunks {
		if at >= end {
			break
		}
		if known := c.old.chunksFrom(at, end); known != nil && !c.fresh && !c.mayHaveGrown(known, end) {
			at = known.End
			n += known.Items
			continue
		}
		size := c.chunkAt(at, end)
		if size == 0 {
			break
		}
		if !c.old.within(at, MallocMmap) {
			c.found(size)
		}
		at += size
		n++
	}
	return at, n
}

// mayHaveGrown reports whether the last of the known chunks may now reach further, up to end:
// realloc grows a chunk in place if nothing followed it.
func (c *classifier) mayHaveGrown(known *Segment, end uint64) bool {
	if known.End == end {
		return false
	}
	_, followed := c.old.search(known.End)
	return !followed && c.chunkAt(known.End, end) == 0
}

// chunksFrom returns the segment of chunks that started at addr, if it does not reach beyond
// end.
func (l *layout) chunksFrom(addr, end uint64) *Segment {
	i, ok := l.search(addr)
	if !ok || l.segments[i].Class != MallocMmap || l.segments[i].End > end || l.segments[i].Items == 0 {
		return nil
	}
	return &l.segments[i]
}

// within reports whether addr was in a segment of the class.
func (l *layout) within(addr uint64, class Class) bool {
	i, ok := l.search(addr)
	if !ok {
		i--
	}
	return i >= 0 && i < len(l.segments) && l.segments[i].Class == class && addr < l.segments[i].End
}

// search finds the segment that starts at addr, or the index where it would be.
func (l *layout) search(addr uint64) (int, bool) {
	return slices.BinarySearchFunc(l.segments, addr, func(s Segment, addr uint64) int { return cmp.Compare(s.Start, addr) })
}
