package ptmalloc

import (
	"encoding/binary"
	"fmt"
)

// Limits bound what Arenas reads. Zero fields mean the defaults.
type Limits struct {
	// Arenas is the most arenas, by default 4,096. glibc makes 8 for each
	// processor at most, unless it is told otherwise.
	Arenas int
	// FreeChunks is the most free chunks, of all arenas, by default 262,144:
	// chains of so many take some 0.5 s.
	FreeChunks int
}

const (
	defaultArenas     = 4096
	defaultFreeChunks = 1 << 18
)

// Sum is chunks and their bytes, headers included.
type Sum struct{ Chunks, Bytes uint64 }

// Arena is a snapshot of one arena (struct malloc_state). Sizes are in bytes.
type Arena struct {
	Address uint64
	// Main: the main arena, which grows by brk as long as that succeeds.
	Main bool
	// Contiguous: its memory is one range as far as malloc knows. It is never
	// set for other arenas than the main one, and not there any more once brk
	// failed or was called by others.
	Contiguous bool
	// Threads is how many threads use the arena; 0 also where glibc does not
	// count them (up to 2.22).
	Threads uint64
	// SystemBytes is what it has of the kernel, MaxSystemBytes the most that it
	// had. Mapped blocks are in no arena.
	SystemBytes, MaxSystemBytes uint64
	// Top is the address of the chunk at the end, which grows and shrinks with
	// the arena, and TopBytes its size.
	Top, TopBytes uint64
	// Bins are the free chunks in bins, Fast those in fastbins. Free chunks in
	// threads' caches (tcache) are in neither; malloc counts them as in use.
	// Of default size such a cache holds up to 240 KB, from 2.43 550 KB.
	Bins, Fast Sum
	// Partial says why figures may be too low; "" where all was read.
	Partial string
}

// FreeBytes is what malloc keeps of the arena for later requests: mallinfo's
// fordblks.
func (a *Arena) FreeBytes() uint64 { return a.TopBytes + a.Bins.Bytes + a.Fast.Bytes }

// partial notes the first reason.
func (a *Arena) partial(format string, args ...any) {
	if a.Partial == "" {
		a.Partial = fmt.Sprintf(format, args...)
	}
}

// Arenas is a snapshot of all arenas. Each is read at a slightly different time
// from a process that goes on.
type Arenas struct {
	// Arenas has the main arena first. It is empty as long as the process has
	// not called malloc.
	Arenas []Arena
	// Partial says why arenas may be missing; "" where all were found.
	Partial string
}

// Total sums the arenas up: SystemBytes is what malloc has of the kernel,
// FreeBytes what of it no block is in, mallinfo2's arena and fordblks. Much of
// the second while outstanding allocations stay the same is memory that malloc
// keeps, fragmented or at the top.
func (a *Arenas) Total() (systemBytes, freeBytes uint64, complete bool) {
	complete = a.Partial == ""
	for i := range a.Arenas {
		systemBytes += a.Arenas[i].SystemBytes
		freeBytes += a.Arenas[i].FreeBytes()
		complete = complete && a.Arenas[i].Partial == ""
	}
	return systemBytes, freeBytes, complete
}

// Arenas reads the arenas: the main one, and the others by the ring that they
// are linked in.
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

// heapInfoSizes are those of struct heap_info, which a thread's arena follows
// in its first heap: up to 2.34, and from 2.35.
var heapInfoSizes = []uint64{32, 48}

// threadArena reads an arena that another one points to: it lies behind a
// heap_info at the start of a page, which points back to it.
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

// binHead is the address that stands for a bin in its list: that of a chunk
// whose links the bin is.
func binHead(arena uint64, l *arenaLayout, bin int) uint64 {
	return arena + l.bins + uint64(bin-1)*16 - chunkHeader
}

// binsPlausible checks that all bins are linked: to chunks, or to themselves
// where they are empty. That they point to themselves at the start is what
// tells an arena that is in use from other memory.
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

// arena decodes an arena and reads its free chunks.
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

// top reads the size of the chunk at the end.
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
