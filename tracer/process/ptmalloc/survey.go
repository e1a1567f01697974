package ptmalloc

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Survey is where a malloc has its chunks: what a walk over all of them needs to know.
type Survey struct {
	// HeapSize is the size and alignment of the heaps of threads' arenas, or 0 if it is not known.
	HeapSize uint64
	// SbrkBase is the main arena's first chunk, or 0 if it has none.
	SbrkBase uint64
	// Contiguous: as far as malloc knows, the main arena is one range.
	Contiguous bool
	// Mapped is how many blocks have mappings of their own, and the bytes of these.
	Mapped Sum
	// MappedTail is what the mapping of a block has behind its chunk, in bytes: 16 from 2.43 on.
	MappedTail uint64
	Arenas     []ArenaPlace
	// Heaps are those of threads' arenas, by address.
	Heaps []HeapPlace
	// State are the ranges of main_arena and mp_.
	State []BrkRange
	// Caches are the blocks that hold threads' caches (struct tcache_perthread_struct), by address.
	Caches []uint64
	// Marks says how cached chunks are told from others.
	Marks Marks
	// Partial says what of it was not found.
	Partial []string
}

// ArenaPlace is an arena. The main arena is the first.
type ArenaPlace struct {
	// Address is that of the malloc_state, TopAt that of its pointer to the last chunk, and Top this
	// chunk.
	Address, TopAt, Top uint64
	SystemBytes         uint64
}

// HeapPlace is one heap of a thread's arena.
type HeapPlace struct {
	// Start is the address of the heap_info, First that of the first chunk, and End the end of the
	// memory that malloc has made accessible.
	Start, First, End uint64
	// Arena is the index of the arena.
	Arena int
}

// maxHeaps bounds how many heaps there are of all arenas. With 64 MiB each this is all that a
// process can have.
const maxHeaps = 1 << 21

// Survey reads where the malloc has its chunks, while the process runs.
func (c *Checker) Survey() (*Survey, error) {
	if err := c.h.alive(); err != nil { // forgets which pages there were
		return nil, err
	}
	if c.h.Layout.ArenaError != nil {
		return nil, c.h.Layout.ArenaError
	}
	if err := c.readArenas(); err != nil {
		return nil, err
	}
	params, err := c.h.readParams()
	if err != nil {
		return nil, err
	}
	l := &c.h.Layout.arena
	s := &Survey{
		HeapSize: c.tops.heapSize,
		Mapped:   Sum{Chunks: uint64(max(params.MmappedBlocks, 0)), Bytes: params.MmappedBytes},
		State: []BrkRange{
			{c.tops.addrs[0], c.tops.addrs[0] + l.size()},
			{c.h.bias + c.h.Layout.Params, c.h.bias + c.h.Layout.Params + max(c.h.Layout.params.size, c.h.Layout.params.sbrkBase+8)},
		},
	}
	if c.h.Layout.params.mmaps == paramsLayouts[len(paramsLayouts)-1].mmaps {
		s.MappedTail = chunkHeader
	}
	if err := c.surveyArenas(s); err != nil {
		return nil, err
	}
	if params.SbrkBase != 0 {
		s.SbrkBase = (params.SbrkBase + alignment - 1) &^ (alignment - 1)
	}
	if len(s.Arenas) == 0 {
		s.SbrkBase = 0
		return s, c.h.alive()
	}
	c.surveyHeaps(s)
	c.surveyCaches(s)
	return s, c.h.alive()
}

// surveyArenas reads the arenas' tops and sizes.
func (c *Checker) surveyArenas(s *Survey) error {
	l := &c.h.Layout.arena
	c.rd.reset()
	for i, addr := range c.tops.addrs {
		i = c.rd.ask(addr, int(l.size()))
		c.rd.spans[i].Own = i == 0
	}
	c.rd.read()
	for i := range c.rd.spans {
		span := &c.rd.spans[i]
		if !span.OK {
			return fmt.Errorf("read arena at %#x: not readable", span.Addr)
		}
		top := span.Word(l.top)
		if i == 0 {
			if top == 0 {
				return nil // ptmalloc_init has not run
			}
			s.Contiguous = binary.LittleEndian.Uint32(span.Buf[arenaFlags:])&nonContiguous == 0
			if top == binHead(span.Addr, l, 1) {
				top = 0 // initial_top: the arena has no memory yet
			}
		}
		s.Arenas = append(s.Arenas, ArenaPlace{
			Address: span.Addr, TopAt: span.Addr + l.top, Top: top, SystemBytes: span.Word(l.systemMem()),
		})
	}
	return nil
}

// surveyHeaps follows the heaps of each arena, from the last one to the first.
func (c *Checker) surveyHeaps(s *Survey) {
	if s.HeapSize == 0 && len(s.Arenas) > 1 {
		s.partial("the heaps of %d arenas were not found: their size is not known", len(s.Arenas)-1)
		return
	}
	const prevAt = 8
	seen := make(map[uint64]bool)
	for i := 1; i < len(s.Arenas); i++ {
		arena := &s.Arenas[i]
		first := false
		for start := arena.Top &^ (s.HeapSize - 1); start != 0 && !seen[start] && len(s.Heaps) < maxHeaps; {
			seen[start] = true
			h := c.heapAt(start)
			if h.first == 0 || h.arena != arena.Address {
				break
			}
			s.Heaps = append(s.Heaps, HeapPlace{Start: start, First: h.first, End: h.end, Arena: i})
			if first = arena.Address&^(s.HeapSize-1) == start; first {
				break
			}
			start = c.rd.spans[0].Word(prevAt)
			if start%s.HeapSize != 0 {
				break
			}
		}
		if !first {
			s.partial("not all heaps of the arena at %#x were found", arena.Address)
		}
	}
	slices.SortFunc(s.Heaps, func(a, b HeapPlace) int {
		if a.Start < b.Start {
			return -1
		}
		return 1
	})
}

func (s *Survey) partial(format string, args ...any) {
	const most = 100
	if len(s.Partial) < most {
		s.Partial = append(s.Partial, fmt.Sprintf(format, args...))
	}
}

// Heap reads the heap of a thread's arena that starts at an address, as it is now. The arena may be a
// new one; what is returned has its top's address in place of its index. It calls nothing a heap that
// is none.
func (c *Checker) Heap(start uint64) (h HeapPlace, topAt uint64, ok bool) {
	if c.h.alive() != nil {
		return HeapPlace{}, 0, false
	}
	found := c.heapAt(start)
	if found.first == 0 && len(c.rd.spans) == 1 && c.rd.spans[0].OK {
		// Does it say that it is a heap of an arena that is not known yet?
		arena := c.rd.spans[0].Word(heapArena)
		if in := arena % arenaHeapSize; (in == heapInfoSizes[0] || in == heapInfoSizes[1]) && !c.tops.known[arena] && c.readArenas() == nil {
			found = c.heapAt(start)
		}
	}
	if found.first == 0 || found.main {
		return HeapPlace{}, 0, false
	}
	return HeapPlace{Start: start, First: found.first, End: found.end}, found.top, true
}
