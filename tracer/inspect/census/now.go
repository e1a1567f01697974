package census

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/process/ptmalloc"
)

const (
	// nowBytes is how much Now reads at once, mostBytes how much for one walk.
	nowBytes, mostBytes = 16 << 10, 16 << 20
	// behind is how many chunks must follow the one that holds the address.
	behind = 2
	// mostFar is how many of the farthest walks there are for a census.
	mostFar = 512
	// listsUses is how many blocks are looked for in lists before these are read again.
	listsUses = 1 << 10
	// listsAge is for how long they are taken to be as they were read.
	listsAge = 100 * time.Millisecond
)

// backs are how many blocks before an address Now begins to walk. A block may have been freed since
// the census and be within a larger chunk. What is left there of its header leads on until that
// chunk ends. So a walk counts only if it passes the chunk of a nearer block, or if two of them agree.
var backs = []int{8, 96, 512, 8192}

// Now returns the block that addr points into now, which need not have been there at the census.
// It walks from the last block that the census knows before the address, and costs some 10
// microseconds.
func (w *Walker) Now(c *Census, addr uint64) (Block, bool) {
	b, ok := w.blockNow(c, addr)
	if ok {
		// The caches of threads are malloc's own, and lead to blocks that are free.
		if _, own := slices.BinarySearch(c.survey.Caches, b.Addr); own {
			return Block{}, false
		}
	}
	return b, ok
}

func (w *Walker) openWindows() {
	if w.near == nil {
		w.near, w.far, w.wide = newWindow(w.mem, nowBytes), newWindow(w.mem, pageSize), newWindow(w.mem, wideBytes)
	}
}

func (w *Walker) blockNow(c *Census, addr uint64) (Block, bool) {
	if c.survey == nil || addr >= userSpace {
		return Block{}, false
	}
	w.openWindows()
	if h := heapOf(c.heaps, addr); h != nil {
		switch {
		case h.block.Addr != 0 && addr < h.End:
			return w.mappedNow(c, h.Start, h.End, addr)
		case h.block.Addr == 0 && addr < max(h.place.limit, h.place.End):
			if b, ok := w.chunkNow(c, h.place, addr); ok || addr < h.End {
				return b, ok
			}
		}
	}
	return w.newHeapNow(c, addr)
}

// heapOf returns the last heap that begins at or before an address, nil if there is none.
func heapOf(heaps []heap, addr uint64) *heap {
	i := sort.Search(len(heaps), func(i int) bool { return heaps[i].Start > addr })
	if i == 0 {
		return nil
	}
	return &heaps[i-1]
}

// chunkNow finds the block in a heap that the census knows.
func (w *Walker) chunkNow(c *Census, p place, addr uint64) (Block, bool) {
	k := w.walkNow(c, p)
	// The first word of a header may belong to the block before, that of the top's, too.
	if k.top != 0 && addr > k.top+header-8 {
		return Block{}, false
	}
	last := c.Blocks.Before(addr)
	if w.trail.of != c {
		w.fars = 0
	}
	w.trail.reset(c)
	if b, ok := w.goOn(c, k, addr, last); ok {
		return b, b.Addr != 0
	}
	from := uint64(0)
	if last >= 0 {
		from = c.Blocks.At(last).Addr
	}
	if start, check, ok := w.trail.before(addr-header+1, max(from, p.Start)); ok {
		if !w.together {
			k.win.forget()
		}
		if b, passed, ok := k.to(start, addr, check); ok && passed {
			b = w.inUse(c, k, b)
			return b, b.Addr != 0
		}
		w.trail.forget(start, check)
	}
	check, before := uint64(0), Block{} // what the walk before has found
	for n, back := range backs {
		start := p.Start
		if i := last - back; i >= 0 {
			start = max(start, c.Blocks.At(i).Addr-header)
		}
		if n == len(backs)-1 {
			// Where all of a heap changes at once, far walks fail as near ones do.
			if w.fars++; w.fars > mostFar {
				break
			}
		}
		if n > 0 || start == p.Start {
			if !w.together || n > 1 {
				k.win.forget()
			}
			b, passed, ok := k.to(start, addr, check)
			agree := b.Addr != 0 && b == before
			if ok && (passed || agree || start == p.Start || n == len(backs)-1) {
				b = w.inUse(c, k, b)
				return b, b.Addr != 0
			}
			before = b
		}
		if check = start; start == p.Start {
			break
		}
	}
	return Block{}, false
}

// inFastbin reports whether a block is in a fastbin.
func (w *Walker) inFastbin(c *Census, k *walk, b Block) bool {
	link, _, ok := k.win.peek(b.Addr)
	if !ok || !c.survey.Marks.MayBeFast(b.Addr, b.Size+8, link) {
		return false
	}
	w.readLists(c)
	return contains(w.fast, b.Addr) || w.unlisted && k.linksFast(b.Addr, b.Size+8, link)
}

// cachesNow returns what tells chunks in caches after a census.
func (w *Walker) cachesNow(c *Census) *cachedChunks {
	if w.caches == nil || w.caches.marks != &c.survey.Marks {
		w.caches = w.cachedChunks(&c.survey.Marks, func(block, _ uint64) bool {
			w.readLists(c)
			return contains(w.cached, block)
		})
	}
	return w.caches
}

// readLists reads the lists of free chunks if they may be others by now. That takes as long as very many
// other questions.
func (w *Walker) readLists(c *Census) {
	const most = 1 << 14
	if w.listsOf != c || w.listsUses >= listsUses && !w.together || time.Since(w.listsAt) > listsAge {
		var complete bool
		w.fast, w.cached, complete = w.checker.Lists(most)
		w.unlisted = !complete
		w.listsOf, w.listsUses, w.listsAt = c, 0, time.Now()
	}
	w.listsUses++
}

func contains(list []ptmalloc.Linked, block uint64) bool {
	_, found := slices.BinarySearchFunc(list, block, func(l ptmalloc.Linked, addr uint64) int { return cmp.Compare(l.Addr, addr) })
	return found
}

// to walks from a chunk to the one that holds an address, and returns the block there, if there is
// one. passed reports whether there is a chunk at check. ok is false if the chunks do not follow one
// another.
func (w *walk) to(chunk, addr, check uint64) (b Block, passed, ok bool) {
	prev := uint64(0)
	w.trail.passed, w.found = w.trail.passed[:0], chunkRange{}
	most := w.win.bytes + mostBytes
	for n := 0; w.win.bytes < most; n++ {
		if n%trailStep == 0 && n > 0 {
			w.trail.passed = append(w.trail.passed, chunk)
		}
		before, head, there := w.now(chunk)
		size := head &^ 7
		if !there || !w.plausible(chunk, head) || head&1 == 0 && prev != 0 && before != prev {
			return Block{}, false, false
		}
		passed = passed || chunk == check
		if addr < chunk+header {
			return Block{}, passed, true // into a header
		}
		if next := chunk + size; addr <= next+header-8 {
			follows := w.follows(next)
			if follows {
				w.trail.keep()
				w.found = chunkRange{chunk, next}
			}
			return w.usedNow(chunk, head), passed, follows
		}
		chunk, prev = chunk+size, size
	}
	return Block{}, false, false
}

// usedNow returns the block of a chunk, none if it is not in use.
func (w *walk) usedNow(chunk, head uint64) Block {
	size := head &^ 7
	_, next, ok := w.now(chunk + size)
	if !ok || next&1 == 0 || !w.main && head&4 == 0 {
		return Block{}
	}
	block := chunk + header
	if link, key, _ := w.now(block); w.caches.has(block, size, link, key) {
		return Block{}
	}
	return Block{block, size - 8}
}

// follows reports whether chunks follow from an address on.
func (w *walk) follows(chunk uint64) bool {
	for range behind {
		_, head, ok := w.now(chunk)
		if chunk == w.top && ok {
			return true
		}
		if !ok || !w.mayFollow(chunk, head) {
			return false
		}
		if chunk += head &^ 7; head&^7 <= fence {
			break
		}
	}
	return true
}

// now returns two words, from the window if they are in it.
func (w *walk) now(addr uint64) (first, second uint64, ok bool) {
	if !w.win.holds(addr) {
		w.win.fill(addr, w.End+minChunk)
	}
	return w.win.words(addr)
}

// mappedNow finds a mapped block between two addresses, the first of which is that of a page.
func (w *Walker) mappedNow(c *Census, start, end, addr uint64) (Block, bool) {
	m := mappings{win: w.near, wide: w.wide, tail: c.survey.MappedTail, left: mostBytes}
	m.win.forget()
	m.wide.forget()
	for at := start; at <= addr && at < end; {
		f, ok := m.at(at, end)
		if !ok {
			return Block{}, false
		}
		if addr < f.End {
			b := Block{f.block, f.size}
			link, key, _ := m.win.peek(b.Addr)
			return b, addr >= b.Addr && addr <= b.Addr+b.Size && !c.survey.Marks.Cached(b.Addr, link, key)
		}
		at = f.End
	}
	return Block{}, false
}

// newHeapNow finds the block in a heap or a mapping that the census does not know.
func (w *Walker) newHeapNow(c *Census, addr uint64) (Block, bool) {
	if size := c.survey.HeapSize; size != 0 {
		if h, topAt, ok := w.checker.Heap(addr &^ (size - 1)); ok && addr >= h.First && addr < h.End {
			return w.chunkNow(c, place{Range: Range{h.First, h.End}, limit: h.Start + size, topAt: topAt}, addr)
		}
	}
	var m procmaps.Mapping
	if !w.mappingOf(addr, &m) || !holdsBlocks(&m) {
		return Block{}, false
	}
	// Blocks that the census knows may be before it in the same mapping.
	start := m.Start
	i, _ := slices.BinarySearchFunc(c.heaps, addr, func(h heap, addr uint64) int { return cmp.Compare(h.End, addr+1) })
	if i > 0 {
		start = max(start, (c.heaps[i-1].End+pageSize-1)&^(pageSize-1))
	}
	return w.mappedNow(c, start, m.End, addr)
}

// mappingOf finds the mapping of an address, where the kernel answers that (6.11).
func (w *Walker) mappingOf(addr uint64, m *procmaps.Mapping) bool {
	if w.query == nil && !w.noQuery {
		q, err := procmaps.OpenQuery(w.pid)
		w.query, w.noQuery = q, err != nil
	}
	if w.noQuery {
		return false
	}
	ok, err := w.query.Next(addr, m)
	return ok && err == nil && m.Start <= addr
}
