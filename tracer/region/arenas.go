package region

import (
	"encoding/binary"
	"strings"

	"memtrace/symbolize/procmaps"
)

const (
	// heapMax is the size and the alignment of the addresses that one heap of a glibc arena
	// takes: HEAP_MAX_SIZE of malloc/arena.c, on 64-bit machines without huge pages.
	heapMax = 64 << 20
	page    = 4096
	// maxHeapsProbed bounds how many aligned addresses are read in one mapping.
	maxHeapsProbed = 1024
	userEnd        = 1 << 56
)

// heapAt returns how many bytes of the arena heap that starts at addr are accessible, or 0 if
// there is no such heap. It reads struct heap_info: the arena, the previous heap, the size,
// and the size that was made accessible (malloc/arena.c, glibc 2.17 to 2.43).
func (c *classifier) heapAt(addr uint64) uint64 {
	var buf [32]byte
	if !c.src.Read(addr, buf[:]) {
		return 0
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(buf[8*i:]) }
	arena, before, size, accessible := word(0), word(1), word(2), word(3)
	switch {
	case size == 0 || size > accessible || accessible > heapMax || size%page != 0 || accessible%page != 0:
		return 0
	case arena%8 != 0 || arena >= userEnd || before%heapMax != 0 || before >= userEnd || before == addr:
		return 0
	// The first heap of an arena holds heap_info, of 32 bytes (48 from glibc 2.35 on), then
	// the arena. Later heaps name the previous one.
	case before == 0 && arena != addr+32 && arena != addr+48:
		return 0
	case before != 0 && arena&^(heapMax-1) == addr:
		return 0
	}
	return accessible
}

// anonymous classifies accessible memory that belongs to no file: stacks, arenas, malloc's
// chunks and the rest.
func (c *classifier) anonymous(m *procmaps.Mapping) {
	if n, certain := c.stacksIn(m); n > 0 && (certain || c.out.guard(m.Start) != nil) {
		c.stack(m, n)
		return
	}
	if old := c.old.exactly(m); len(old) == 1 && old[0].Class == ThreadStack {
		c.stack(m, old[0].Items) // its thread has ended; glibc keeps the stack
		return
	}
	if c.out.truncated || m.Perms&(procmaps.Read|procmaps.Write|procmaps.Shared) != procmaps.Read|procmaps.Write {
		c.add(m.Start, m.End, Mmap, m, 1)
		return
	}
	if c.unchanged(m) {
		return
	}
	pos, probed := m.Start, 0
	for at := (m.Start + heapMax - 1) &^ (heapMax - 1); at < m.End && at >= m.Start; at += heapMax {
		if probed++; probed > maxHeapsProbed {
			break
		}
		if n := c.heapAt(at); n > 0 {
			c.plain(m, pos, at)
			pos = min(at+n, m.End)
			c.add(at, pos, Arena, m, 1)
			c.heapEnd = at + heapMax
		}
	}
	c.plain(m, pos, m.End)
}

// plain classifies memory outside of arenas.
func (c *classifier) plain(m *procmaps.Mapping, start, end uint64) {
	if strings.HasPrefix(m.Path, "[anon:") {
		c.add(start, end, Mmap, m, 1) // glibc does not name its chunks like that
		return
	}
	chunksEnd, n := c.chunks(start, end)
	c.add(start, chunksEnd, MallocMmap, m, n)
	c.add(chunksEnd, end, Mmap, m, 1)
}

// unchanged keeps the segments of a mapping that is the same as in the previous poll. It
// reports whether it did.
func (c *classifier) unchanged(m *procmaps.Mapping) bool {
	if c.fresh {
		return false
	}
	segments := c.old.exactly(m)
	for i := range segments {
		s := segments[i]
		s.resident = 0
		c.out.add(s)
		if s.Class == Arena {
			c.heapEnd = s.Start&^(heapMax-1) + heapMax
		}
	}
	return len(segments) > 0
}
