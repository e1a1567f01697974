package census

import "memtrace/tracer/process/ptmalloc"

// place is memory that holds chunks one behind another.
type place struct {
	Range // from the first chunk to where the memory ends
	// limit is how far the memory may have grown since.
	limit uint64
	// main: the chunks are those of the main arena. Those in use of others have NON_MAIN_ARENA.
	main bool
	// topAt is the address of the arena's pointer to its last chunk, 0 if there is none.
	topAt uint64
}

const (
	alignment, minChunk, header, fence = 16, 32, 16, 16
	userSpace                          = 1 << 47
	// between is how many chunks there are between two checkpoints.
	between = 64
)

// walk goes over chunks while the process changes them, and puts those in use into out.
//
// It reads windows that begin with the last chunk that was seen, so that this chunk's header is
// read again together with what follows. Where a header cannot be one, the process has changed the
// heap since the window was read, or while it was: see heal.
type walk struct {
	win, far *window
	out      builder
	sums     Totals
	resyncs  int
	caches   *cachedChunks
	lists
	skipped skips
	// most is the most blocks. sampling: if there are more only some are kept, and thinned that this was so.
	most              int
	sampling, thinned bool

	place
	top uint64
	// trail is where Now has passed, nil in a census.
	trail *trail
	// found is the chunk that the last walk of Now ended at, reached the last one that counted.
	found, reached chunkRange
	healing
}

// lists is what is still to come of the chunks that lists tell, and of malloc's own blocks, by
// address.
type lists struct {
	fast, cached []ptmalloc.Linked
	own          []uint64
	// unlisted: fast lacks some, which are told by their contents: they lead on to chunks in heaps.
	unlisted bool
	heaps    []heap
}

// chunkRange is where a chunk is and where the one behind it is, 0 if there is none.
type chunkRange struct{ at, next uint64 }

// step is the outcome of looking at a chunk.
type step uint8

const (
	good step = iota
	bad
	over
)

// run walks over a place, and returns where the chunks end.
func (w *walk) run(p place) uint64 {
	w.place = p
	w.win.forget()
	w.readTop()
	chunk, prev := p.Start, uint64(0)
	w.tries, w.trouble = 0, 0
	w.begin(chunk, prev)
	for n := 1; ; n++ {
		size, next, how := w.look(chunk, prev)
		switch how {
		case good:
			chunk, prev = chunk+size, size
		case over:
			return chunk
		case bad:
			var ok bool
			if chunk, prev, ok = w.heal(chunk, next); !ok {
				return chunk
			}
		}
		if n%between == 0 {
			w.save(chunk, prev)
		}
		if w.out.b.n >= w.most && (w.tries == 0 || !w.sampling) {
			if w.full() {
				w.begin(chunk, prev)
				continue
			}
			w.skipped.add(Range{chunk, w.End}, "there are too many blocks")
			return w.End
		}
	}
}

// readTop reads where the arena's last chunk is, and with it where the chunks end.
func (w *walk) readTop() {
	w.top = 0
	if w.topAt == 0 {
		return
	}
	at := w.topAt &^ (header - 1)
	w.far.fill(at, at+header)
	if low, high, ok := w.far.words(at); ok {
		if w.top = low; w.topAt != at {
			w.top = high
		}
	}
	if w.top%alignment != 0 || w.top < w.Start || w.top > w.limit {
		w.top = 0 // it is elsewhere
	}
	w.End = max(w.End, w.top)
}

// atEnd reports whether a chunk is the last one of its arena, or behind that.
func (w *walk) atEnd(chunk uint64) bool {
	if chunk >= w.top && w.top != 0 {
		w.readTop() // it may have moved on
		w.win.forget()
		if chunk >= w.top && w.top != 0 {
			w.win.fill(chunk, chunk+header)
			if _, head, ok := w.win.words(chunk); ok && chunk == w.top {
				w.sums.Top.add(head &^ 7)
			}
			return true
		}
	}
	return chunk >= w.End
}

// look looks at a chunk, the size of the one before given, and counts it. next is the address of
// what is bad: the chunk's own header or the next one.
func (w *walk) look(chunk, prev uint64) (size, next uint64, how step) {
	if chunk >= w.top && w.atEnd(chunk) {
		return 0, chunk, over
	}
	before, head, link, key, ok := w.win.chunk(chunk)
	if !ok {
		w.refill(chunk, prev, chunk)
		if before, head, link, key, ok = w.win.chunk(chunk); !ok {
			return 0, chunk, bad
		}
	}
	size = head &^ 7
	if size == fence || size == 0 {
		return 0, chunk, w.fences(chunk, size)
	}
	if !w.plausible(chunk, head) || head&1 == 0 && prev != 0 && before != prev {
		return 0, chunk, bad
	}
	next = chunk + size
	beforeNext, nextHead, ok := w.win.words(next)
	if !ok {
		if beforeNext, nextHead, ok = w.ahead(chunk, prev, head); !ok {
			return 0, next, bad
		}
	}
	inUse := nextHead&1 != 0
	if next != w.top && !w.mayFollow(next, nextHead) || !inUse && beforeNext != size {
		return 0, next, bad
	}
	switch {
	case !inUse:
		w.sums.Bins.add(size)
	case w.main || head&4 != 0: // otherwise a thread is about to take it
		w.classify(chunk+header, size, link, key)
	}
	return size, next, good
}

// refill reads the window from an address on, with a checkpoint at a chunk.
func (w *walk) refill(chunk, prev, from uint64) {
	w.begin(chunk, prev)
	w.readTop()
	w.win.fill(from, w.End+minChunk)
}

// ahead reads the header that follows a chunk and is not in the window, together with the chunk's
// own header.
func (w *walk) ahead(chunk, prev, head uint64) (before, next uint64, ok bool) {
	at := chunk + head&^7
	if w.win.holds(at) {
		return 0, 0, false // its page is not there
	}
	own := w.win
	if at+header-chunk&^(pageSize-1) <= uint64(len(w.win.buf)) {
		w.refill(chunk, prev, chunk)
	} else {
		w.refill(chunk, prev, at)
		own = w.far
		own.fill(chunk, chunk+header)
	}
	before, next, ok = w.win.words(at)
	_, again, still := own.words(chunk)
	return before, next, ok && still && again|1 == head|1
}

// plausible reports whether a word may be the header of a chunk at an address.
func (w *walk) plausible(chunk, head uint64) bool {
	size := head &^ 7
	return size >= minChunk && size%alignment == 0 && head&2 == 0 && !(w.main && head&4 != 0) &&
		chunk < w.End && size <= w.End-chunk
}

// mayFollow is plausible for the header behind a chunk, which may be one of the marks at the end.
func (w *walk) mayFollow(chunk, head uint64) bool {
	if size := head &^ 7; size == fence || size == 0 && !w.main {
		return head&2 == 0 && chunk < w.End
	}
	return w.plausible(chunk, head)
}

// classify counts a chunk that the next one calls in use.
func (w *walk) classify(addr, size, link, key uint64) {
	switch {
	case passes(&w.fast, addr, link), w.unlisted && w.linksFast(addr, size, link):
		w.sums.Fast.add(size)
	case w.caches.has(addr, size, link, key):
		w.sums.Cached.add(size)
	case w.isOwn(addr):
	default:
		w.out.add(addr, size-8)
		w.sums.InUse.add(size)
	}
}

// linksFast reports whether a block's first word leads on to a chunk, as in a fastbin.
func (w *walk) linksFast(addr, size, link uint64) bool {
	next := w.caches.marks.FastNext(addr, size, link)
	if next >= w.Start && next < w.End {
		return true
	}
	h := heapOf(w.heaps, next)
	return h != nil && h.block.Addr == 0 && next < h.End
}

// passes reports whether a block is in a sorted list, which it shortens, with the same link.
func passes(list *[]ptmalloc.Linked, addr, link uint64) bool {
	l := *list
	if len(l) == 0 {
		return false
	}
	for len(l) > 0 && l[0].Addr < addr {
		l = l[1:]
	}
	*list = l
	return len(l) > 0 && l[0].Addr == addr && l[0].Link == link
}

func (w *walk) isOwn(addr uint64) bool {
	for len(w.own) > 0 && w.own[0] < addr {
		w.own = w.own[1:]
	}
	return len(w.own) > 0 && w.own[0] == addr
}

// add counts a chunk.
func (s *Sum) add(bytes uint64) {
	s.Chunks++
	s.Bytes += bytes
}

// fences looks at the marks at the end of memory that an arena's top has left (sysmalloc): chunks
// of 16 bytes, and in a heap of a thread's arena one of no bytes at its end.
func (w *walk) fences(chunk, size uint64) step {
	if !w.main {
		if size == 0 && chunk+fence == w.End || size == fence && chunk+2*fence == w.End {
			return over
		}
		return bad
	}
	_, head, ok := w.win.peek(chunk + fence)
	if size == fence && ok && head&^7 == fence {
		return over
	}
	return bad
}

// skips is what was not looked at.
type skips struct{ list []Skip }

// add adds a range, to the last one if it follows that. Of many ranges only the bytes are kept: those
// of the last one with the same reason are as many more.
func (s *skips) add(r Range, why string) {
	const most = 1000
	if r.Start >= r.End {
		return
	}
	last, many := len(s.list)-1, len(s.list) >= most
	for many && last >= 0 && s.list[last].Why != why {
		last--
	}
	if last >= 0 && s.list[last].Why == why && (many || s.list[last].End == r.Start) {
		s.list[last].End += r.End - r.Start
		return
	}
	s.list = append(s.list, Skip{r, why})
}
