package ptmalloc

import (
	"encoding/binary"
	"fmt"
)

// Limits bound what Arenas reads. A zero field means its default.
type Limits struct {
	// Arenas is the most arenas, by default 4,096. Unless told otherwise, glibc makes at most
	// 8 for each processor.
	Arenas int
	// FreeChunks is the most free chunks in all arenas, by default 262,144. Walking that many
	// takes about 0.5 s.
	FreeChunks int
}

const (
	defaultArenas     = 4096
	defaultFreeChunks = 1 << 18
)

// Sum is a number of chunks and their bytes, headers included.
type Sum struct{ Chunks, Bytes uint64 }

// Arena is a snapshot of one arena (struct malloc_state). Sizes are in bytes.
type Arena struct {
	Address uint64
	// Main: this is the main arena, which grows by brk as long as brk succeeds.
	Main bool
	// Contiguous: the arena's memory is one range as far as malloc knows. Only the main arena
	// can be contiguous, and no longer once brk failed or was called by others.
	Contiguous bool
	// Threads is how many threads use the arena. It is also 0 where glibc does not count them
	// (up to 2.22).
	Threads uint64
	// SystemBytes is what the arena has from the kernel, and MaxSystemBytes the most it ever
	// had. Mapped blocks belong to no arena.
	SystemBytes, MaxSystemBytes uint64
	// Top is the address of the last chunk, which grows and shrinks with the arena. TopBytes
	// is its size.
	Top, TopBytes uint64
	// Bins are the free chunks in bins, Fast those in fastbins. Free chunks in threads' caches
	// (tcache) are in neither; malloc counts them as in use. A cache of default size holds up
	// to 240 KB, from 2.43 up to 550 KB.
	Bins, Fast Sum
	// Partial says why figures may be too low. It is "" if everything was read.
	Partial string
}

// FreeBytes is what malloc keeps of the arena for later requests: fordblks in mallinfo.
func (a *Arena) FreeBytes() uint64 { return a.TopBytes + a.Bins.Bytes + a.Fast.Bytes }

// partial sets Partial unless it already has a reason.
func (a *Arena) partial(format string, args ...any) {
	if a.Partial == "" {
		a.Partial = fmt.Sprintf(format, args...)
	}
}

// Arenas is a snapshot of all arenas. Each is read at a slightly different time while the
// process runs.
type Arenas struct {
	// Arenas has the main arena first. It is empty until the process calls malloc.
	Arenas []Arena
	// Partial says why arenas may be missing. It is "" if all were found.
	Partial string
}

// Total sums up the arenas, like arena and fordblks in mallinfo2: systemBytes is what malloc
// has from the kernel, and freeBytes the part of it that no block occupies. If freeBytes is
// large while outstanding allocations stay the same, malloc keeps that memory, fragmented or
// at the top.
func (a *Arenas) Total() (systemBytes, freeBytes uint64, complete bool) {
	complete = a.Partial == ""
	for i := range a.Arenas {
		systemBytes += a.Arenas[i].SystemBytes
		freeBytes += a.Arenas[i].FreeBytes()
		complete = complete && a.Arenas[i].Partial == ""
	}
	return systemBytes, freeBytes, complete
}

// Arenas reads the main arena, and the others through the ring that links them.
func (h *Heap) Arenas(limits Limits) (Arenas, error) {
	if h.Layout.ArenaError != nil {
		return Arenas{}, h.Layout.ArenaError
	}
	if limits.Arenas <= 0 {
		limits.Arenas = defaultArenas
	}
	if limits.FreeChunks <= 0 {
		limits.FreeChunks = defaultFreeChunks
	}
	w := walk{h: h, layout: &h.Layout.arena, left: limits.FreeChunks}
	all, err := w.ring(limits.Arenas)
	if err != nil {
		return Arenas{}, err
	}
	return all, h.alive()
}

// walk is one reading of all arenas.
type walk struct {
	h      *Heap
	layout *arenaLayout
	// left is how many free chunks may still be read.
	left int
}

// ring follows next from the main arena until it comes back there.
func (w *walk) ring(most int) (Arenas, error) {
	first := w.h.bias + w.h.Layout.MainArena
	spans := []span{{Addr: first, Buf: make([]byte, w.layout.size()), Own: true}}
	w.h.mem.Read(spans)
	state := spans[0]
	if !state.OK {
		return Arenas{}, fmt.Errorf("read main_arena of process %d at %#x: not readable", w.h.PID, first)
	}
	if state.Word(w.layout.top) == 0 {
		return Arenas{}, nil // ptmalloc_init has not run
	}
	var all Arenas
	seen := map[uint64]bool{}
	for addr := first; ; {
		if !binsPlausible(&state, w.layout) {
			if addr == first {
				return Arenas{}, fmt.Errorf("%w: main_arena of process %d has no bins", ErrNotFound, w.h.PID)
			}
			all.Partial = fmt.Sprintf("arena at %#x has no bins", addr)
			return all, nil
		}
		all.Arenas = append(all.Arenas, w.arena(&state, addr == first))
		seen[addr] = true
		addr = state.Word(w.layout.next)
		switch {
		case addr == first:
			return all, nil
		case seen[addr]:
			all.Partial = "the ring of arenas does not close"
			return all, nil
		case len(all.Arenas) >= most:
			all.Partial = fmt.Sprintf("more than %d arenas", most)
			return all, nil
		}
		var why string
		if state, why = w.threadArena(addr); why != "" {
			all.Partial = why
			return all, nil
		}
	}
}

// heapInfoSizes are the sizes of struct heap_info, up to 2.34 and from 2.35. In the first heap
// of a thread's arena, the arena follows it.
var heapInfoSizes = []uint64{32, 48}

// threadArena reads an arena that another one points to. It must follow a heap_info at the
// start of a page, which must point back to it.
func (w *walk) threadArena(addr uint64) (state span, why string) {
	const smallestPage = 4096
	inPage := addr % smallestPage
	if inPage != heapInfoSizes[0] && inPage != heapInfoSizes[1] {
		return span{}, fmt.Sprintf("ring of arenas leads to %#x, where none can be", addr)
	}
	spans := []span{
		{Addr: addr, Buf: make([]byte, w.layout.size())},
		{Addr: addr - inPage, Buf: make([]byte, 8)},
	}
	w.h.mem.Read(spans)
	switch {
	case !spans[0].OK || !spans[1].OK:
		return span{}, fmt.Sprintf("arena at %#x is not readable", addr)
	case spans[1].Word(0) != addr:
		return span{}, fmt.Sprintf("no heap belongs to the arena at %#x", addr)
	}
	return spans[0], ""
}

// binHead returns the address that stands for a bin in its list: that of a chunk whose links
// would be the bin.
func binHead(arena uint64, l *arenaLayout, bin int) uint64 {
	return arena + l.bins + uint64(bin-1)*16 - chunkHeader
}

// binsPlausible checks that all bins are linked, to chunks or, if empty, to themselves. Bins
// point to themselves from the start, which tells an arena in use from other memory.
func binsPlausible(state *span, l *arenaLayout) bool {
	for bin := 1; bin < binCount; bin++ {
		at := l.bins + uint64(bin-1)*16
		for _, link := range []uint64{state.Word(at), state.Word(at + 8)} {
			if link == 0 || link%alignment != 0 && link != binHead(state.Addr, l, bin) {
				return false
			}
		}
	}
	return true
}

// arena decodes an arena and counts its free chunks.
func (w *walk) arena(state *span, main bool) Arena {
	l := w.layout
	flags := binary.LittleEndian.Uint32(state.Buf[arenaFlags:])
	a := Arena{
		Address:        state.Addr,
		Main:           main,
		Contiguous:     flags&nonContiguous == 0,
		SystemBytes:    state.Word(l.systemMem()),
		MaxSystemBytes: state.Word(l.systemMem() + 8),
		Top:            state.Word(l.top),
	}
	if l.attached {
		a.Threads = state.Word(l.next + 16)
	}
	w.top(&a)
	w.bins(&a, state)
	w.fastbins(&a, state)
	if a.FreeBytes() > a.SystemBytes {
		a.partial("its free chunks changed while they were read")
	}
	return a
}

// top reads the size of the last chunk.
func (w *walk) top(a *Arena) {
	if a.Top == binHead(a.Address, w.layout, 1) {
		a.Top = 0 // there is none before the first allocation (initial_top)
		return
	}
	spans := []span{{Addr: a.Top + HeaderOffset, Buf: make([]byte, 8)}}
	if a.Top%alignment == 0 {
		w.h.mem.Read(spans)
	}
	size := Header(0)
	if spans[0].OK {
		size = Header(spans[0].Word(0))
	}
	if size&PrevInUse == 0 || size.Size() > a.SystemBytes {
		a.partial("no top chunk at %#x", a.Top)
		return
	}
	a.TopBytes = size.Size()
}
