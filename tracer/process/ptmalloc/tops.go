package ptmalloc

import (
	"encoding/binary"
	"fmt"
)

// arenaState is what a check needs of an arena.
type arenaState struct {
	top  uint64
	fast [fastCount]uint64
}

// tops is the ends of the arenas. The arenas' addresses are kept, because malloc never gives
// up an arena.
type tops struct {
	addrs  []uint64 // of the arenas, the main one first
	known  map[uint64]bool
	states []arenaState
	// main is where blocks of the main arena are free: from its top to the furthest it has
	// ever reached. It is empty if that cannot be told.
	main BrkRange
	// base is the address of the main arena's first chunk, or 0 if its chunks are not one
	// range.
	base uint64
	// heaps maps the start of a heap to the address of the top chunk in it.
	heaps    map[uint64]uint64
	heapSize uint64
}

// arenaHeapSize is the size and alignment of the heaps of threads' arenas, HEAP_MAX_SIZE
// (arena.c), on 64-bit machines.
const arenaHeapSize = 64 << 20

// readArenas reads the state of all arenas, including new ones. It also proves that the
// process still runs the same program.
func (c *Checker) readArenas() error {
	if c.h.Layout.ArenaError != nil {
		_, err := c.h.readParams()
		return err
	}
	t := &c.tops
	if len(t.addrs) == 0 {
		t.addrs = append(t.addrs, c.h.bias+c.h.Layout.MainArena)
		t.known = map[uint64]bool{t.addrs[0]: true}
	}
	if err := c.newArenas(); err != nil {
		return err
	}
	l := &c.h.Layout.arena
	c.rd.reset()
	for _, addr := range t.addrs {
		c.rd.askOwn(addr, int(l.top+8))
	}
	c.rd.read()
	t.states = t.states[:0]
	clear(t.heaps)
	for i := range c.rd.spans {
		s := &c.rd.spans[i]
		var a arenaState
		if !s.OK {
			return fmt.Errorf("read arena at %#x: not readable", s.Addr)
		}
		a.top = s.Word(l.top)
		if l.fast != 0 {
			for bin := range a.fast {
				a.fast[bin] = s.Word(l.fast + uint64(bin)*8)
			}
		}
		t.states = append(t.states, a)
		if t.heapSize != 0 && i > 0 {
			t.heaps[a.top&^(t.heapSize-1)] = a.top
		}
	}
	return nil
}

// newArenas follows the ring until it reaches a known arena: a new arena is linked in right
// after the main arena (arena.c, _int_new_arena).
func (c *Checker) newArenas() error {
	t, l := &c.tops, &c.h.Layout.arena
	w := walk{h: c.h, layout: l}
	main, err := c.mainArena()
	if err != nil {
		return err
	}
	for next := main.Word(l.next); !t.known[next] && len(t.addrs) < defaultArenas; {
		state, why := w.threadArena(next)
		if why != "" || !binsPlausible(&state, l) {
			break // it is being made, or the memory is damaged: do without it
		}
		t.addrs, t.known[next] = append(t.addrs, next), true
		next = state.Word(l.next)
	}
	return nil
}

// mainArena reads the main arena in full, and mp_. If the kernel has a page for them, pagemap
// is still that of this program.
func (c *Checker) mainArena() (state *span, err error) {
	t, l, p := &c.tops, &c.h.Layout.arena, &c.h.Layout.params
	c.rd.reset()
	c.rd.ask(t.addrs[0], int(l.size()))
	c.rd.askOwn(c.h.bias+c.h.Layout.Params, int(max(p.sbrkBase, p.mmappedMem)+8))
	c.rd.read()
	state, params := &c.rd.spans[0], &c.rd.spans[1]
	top := state.Word(l.top)
	if !state.OK || !params.OK || top != 0 && !binsPlausible(state, l) {
		return nil, fmt.Errorf("%w: main_arena is not readable any more, or has no bins", ErrNotFound)
	}
	t.heapSize = heapSize(p, params)
	t.main, t.base = BrkRange{}, 0
	// Addresses tell only as long as all of the arena is one range. The range is bounded by
	// the most that the arena ever had, because blocks of another libc in the process (in a
	// dlmopen namespace) lie elsewhere and look the same.
	contiguous := binary.LittleEndian.Uint32(state.Buf[arenaFlags:])&nonContiguous == 0
	if contiguous && p.sbrkBase != 0 && top != 0 {
		base := params.Word(p.sbrkBase)
		end := base + state.Word(l.systemMem()+8)
		if base != 0 && top >= base && top < end {
			t.main = BrkRange{Start: top, End: end}
			t.base = (base + alignment - 1) &^ (alignment - 1)
		}
	}
	return state, nil
}

// heapSize returns what glibc's heap_max_size returns. From 2.35 it depends on the size of the
// huge pages that malloc was told to use (glibc.malloc.hugetlb=2).
func heapSize(l *paramsLayout, params *span) uint64 {
	const beforeMmaps, hugePages = 12, 4 // mp_.hp_pagesize, mp_.hp_flags, mp_.n_mmaps
	if l.mmaps <= paramsLayouts[0].mmaps {
		return arenaHeapSize
	}
	switch size := params.Word(l.mmaps - beforeMmaps); {
	case size == 0:
		return arenaHeapSize
	case size&(size-1) == 0 && size < userSpace:
		return hugePages * size
	}
	return 0
}

// beyondTop finds the blocks that are in the last chunk of their arena, or in memory that the
// arena has given back: all blocks of an arena are below its top in the same heap.
func (c *Checker) beyondTop() {
	t := &c.tops
	for i := range c.blocks {
		b, v := c.blocks[i], c.verdicts[i]
		if v.State == Free || v.Reason == NotAChunk || b.Header&IsMmapped != 0 {
			continue
		}
		chunk := b.Address - chunkHeader
		if b.Header&NonMainArena == 0 {
			if t.main.Contains(chunk) {
				c.set(int32(i), Free, BeyondTop)
			}
		} else if t.heapSize != 0 {
			if top, ok := t.heaps[chunk&^(t.heapSize-1)]; ok && chunk >= top {
				c.set(int32(i), Free, BeyondTop)
			}
		}
	}
}
