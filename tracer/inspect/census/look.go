package census

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"memtrace/tracer/process/ptmalloc"
)

// mostListed is how many pieces of memory are read for the lists of free chunks. That many take about a
// quarter of a second.
const mostListed = 1 << 18

// mostGrowth is by how much the main arena may grow during a look, in bytes.
const mostGrowth = 64 << 30

// Look takes a census. It reads the memory of each heap once.
func (w *Walker) Look() (*Census, error) {
	c := &Census{Start: time.Now()}
	s, err := w.checker.Survey()
	if err != nil {
		return nil, fmt.Errorf("look at the heap of process %d: %w", w.pid, err)
	}
	unknown := w.findStart(s)
	areas, end, err := w.readAreas(s.SbrkBase)
	if err != nil {
		return nil, err
	}
	l := w.newLook(c, s)
	c.Skipped = append(c.Skipped, unknown...)
	l.places(areas, end)
	walked := time.Now()
	l.walkAll()
	c.Within = time.Since(walked) / 2
	c.At = walked.Add(c.Within)
	if err := w.mem.Alive(); err != nil {
		return nil, err
	}
	// It still runs the same program, and how many blocks it has mapped by now may explain what is
	// missing.
	again, err := w.checker.Survey()
	if err != nil {
		return nil, fmt.Errorf("look at the heap of process %d: %w", w.pid, err)
	}
	l.finish(again)
	w.Shift = c.Shift
	w.mapped = w.mapped[:0]
	for _, f := range l.maps.found {
		w.mapped = append(w.mapped, f.Start)
	}
	c.survey = s
	c.End = time.Now()
	return c, nil
}

// findStart sets where the main arena begins, if malloc's parameters do not say it: where brk does.
func (w *Walker) findStart(s *ptmalloc.Survey) []Skip {
	if s.SbrkBase != 0 || len(s.Arenas) == 0 || s.Arenas[0].Top == 0 {
		return nil
	}
	if brk, err := ptmalloc.ReadBrkRange(w.pid); err == nil && brk.Contains(s.Arenas[0].Top) {
		s.SbrkBase = (brk.Start + alignment - 1) &^ (alignment - 1)
		return nil
	}
	return []Skip{{Why: "the main arena: it is not known where it begins"}}
}

// look is a census being taken.
type look struct {
	*Census
	s    *ptmalloc.Survey
	walk *walk
	maps mappings
	// main is the range that the main arena began with.
	main Range
	// all are the heaps and mapped blocks, in the order of their addresses.
	all []heap
}

// heap is one of a census's ranges: a heap with its chunks, or a mapped block.
type heap struct {
	Range
	place place
	// block is a mapped block.
	block Block
}

func (w *Walker) newLook(c *Census, s *ptmalloc.Survey) *look {
	most := w.Most
	if most <= 0 {
		most = defaultMost
	}
	if w.Shift > 0 {
		most = ofSample(most)
	}
	l := &look{Census: c, s: s}
	for _, r := range s.State {
		c.State = append(c.State, Range(r))
	}
	for _, why := range s.Partial {
		c.Skipped = append(c.Skipped, Skip{Why: why})
	}
	if len(w.others) > 0 {
		c.Skipped = append(c.Skipped, Skip{Why: fmt.Sprintf("blocks of another allocator of the process: %v", w.others)})
	}
	if w.heap.Instances > 1 {
		c.Skipped = append(c.Skipped, Skip{Why: fmt.Sprintf("blocks of %d further copies of libc", w.heap.Instances-1)})
	}
	l.walk = &walk{
		win: newWindow(w.mem, windowBytes), far: newWindow(w.mem, pageSize),
		most: most, sampling: w.Sample, out: builder{shift: w.Shift},
	}
	l.walk.caches = w.cachedChunks(&s.Marks, func(block, link uint64) bool { return passes(&l.walk.cached, block, link) })
	l.maps = mappings{
		win: newWindow(w.mem, pageSize), wide: newWindow(w.mem, wideBytes),
		tail: s.MappedTail, pieces: !s.Contiguous && len(s.Arenas) > 0, left: mostSearched,
		hints: w.mapped,
	}
	if len(s.Arenas) > 0 {
		l.maps.w = walkOf(w.mem, s.Arenas[0].TopAt)
	}
	var complete bool
	l.walk.fast, l.walk.cached, complete = w.checker.Lists(w.listed)
	if l.walk.unlisted = !complete; !complete {
		c.Skipped = append(c.Skipped, Skip{Why: "some of malloc's lists of small free chunks: what is in them was told from blocks by its first word"})
	}
	l.walk.own = s.Caches
	return l
}

// places finds all heaps and mapped blocks. end is where the mapping of the main arena's first chunk
// ends.
func (l *look) places(areas []Range, end uint64) {
	var main heap
	if len(l.s.Arenas) > 0 {
		main = l.mainHeap(end)
	}
	l.main = main.Range
	for _, h := range l.s.Heaps {
		arena := &l.s.Arenas[h.Arena]
		p := place{Range: Range{h.First, h.End}, limit: h.Start + l.s.HeapSize, topAt: arena.TopAt}
		l.all = append(l.all, heap{Range: Range{h.Start, h.End}, place: p})
		l.maps.known = append(l.maps.known, Range{h.Start, h.End})
	}
	if main.End > main.Start {
		l.all = append(l.all, main)
		l.maps.known = append(l.maps.known, main.Range)
		slices.SortFunc(l.maps.known, func(a, b Range) int { return cmp.Compare(a.Start, b.Start) })
	}
	l.maps.areas = areas
	l.maps.find(Sum(l.s.Mapped), l.elsewhere(l.s))
	for _, f := range l.maps.found {
		h := heap{Range: f.Range, block: Block{f.block, f.size}}
		if f.block == 0 {
			h.place = place{Range: f.Range, limit: f.End, main: true, topAt: l.s.Arenas[0].TopAt}
		}
		l.all = append(l.all, h)
	}
	slices.SortFunc(l.all, func(a, b heap) int { return cmp.Compare(a.Start, b.Start) })
}

// elsewhere returns how many bytes the main arena has outside of the range that it began with.
func (l *look) elsewhere(s *ptmalloc.Survey) uint64 {
	if len(s.Arenas) == 0 {
		return 0
	}
	return s.Arenas[0].SystemBytes - min(s.Arenas[0].SystemBytes, l.main.End-l.main.Start)
}

// mainHeap returns the range that the main arena began with.
func (l *look) mainHeap(end uint64) heap {
	s, arena := l.s, &l.s.Arenas[0]
	if s.SbrkBase == 0 {
		return heap{}
	}
	p := place{Range: Range{s.SbrkBase, min(arena.Top, end)}, limit: end + mostGrowth, main: true, topAt: arena.TopAt}
	if !s.Contiguous {
		p.End, p.limit = end, end
	}
	return heap{Range: p.Range, place: p}
}

// walkAll lists the blocks of all heaps.
func (l *look) walkAll() {
	w := l.walk
	w.heaps = l.all
	for _, h := range l.all {
		w.left += 4*min(h.End-h.Start, mostGrowth) + 1<<20
	}
	for i := range l.all {
		h := &l.all[i]
		if h.block.Addr != 0 {
			l.mapped(h)
			if w.out.b.n >= w.most && !w.full() {
				return
			}
			continue
		}
		free := w.sums.Top.Bytes
		end := w.run(h.place)
		for h.place.main && l.s.Contiguous && end+2*fence < w.top {
			end = l.behindGap(end + 2*fence)
		}
		h.place.End = w.place.End
		h.End = max(h.End, end+w.sums.Top.Bytes-free)
		l.Heaps = append(l.Heaps, h.Range)
		if w.out.b.n >= w.most && !w.full() {
			return
		}
	}
}

// behindGap goes on behind memory that someone else got by brk.
func (l *look) behindGap(from uint64) (end uint64) {
	w := l.walk
	next, _, ok := w.search(from)
	if ok {
		next = w.firstOf(from, next)
	}
	w.skipped.add(Range{from, next}, "another user of brk has it")
	if !ok {
		return w.top
	}
	p := w.place
	p.Start = next
	return w.run(p)
}

// mapped lists a mapped block.
func (l *look) mapped(h *heap) {
	w := l.walk
	l.Heaps = append(l.Heaps, h.Range)
	bytes := h.End - h.Start
	w.far.fill(h.block.Addr, h.block.Addr+header)
	if link, key, ok := w.far.words(h.block.Addr); ok && w.caches.marks.Cached(h.block.Addr, link, key) {
		w.sums.Cached.add(bytes)
		return
	}
	w.out.add(h.block.Addr, h.block.Size)
	w.sums.InUse.add(bytes)
	w.sums.Mapped.add(bytes)
}

// finish makes the census.
func (l *look) finish(again *ptmalloc.Survey) {
	w := l.walk
	w.settle()
	l.Blocks, l.Shift = w.out.finish(), w.out.shift
	l.Totals = w.sums
	l.Totals.Resyncs = w.resyncs
	if w.caches.stale > mostStale {
		l.Skipped = append(l.Skipped, Skip{Why: "some blocks that look like free chunks in a thread's cache: there are too many"})
	}
	l.Totals.MappedKnown = Sum(again.Mapped)
	l.heaps = l.all
	l.Skipped = append(l.Skipped, w.skipped.list...)
	if found, least := l.maps.mainBytes(), min(l.elsewhere(l.s), l.elsewhere(again)); l.maps.pieces && found < least {
		l.Skipped = append(l.Skipped, Skip{Range{0, least - found}, "pieces of the main arena, which were not found"})
	}
	found := l.maps.sum.Chunks
	if least := min(l.s.Mapped.Chunks, again.Mapped.Chunks); found < least {
		why := []string{fmt.Sprintf("%d blocks with mappings of their own, which were not found", least-found)}
		if l.maps.left < pageSize {
			why = append(why, "there is too much memory to search for them")
		}
		if l.maps.swapped > 0 {
			why = append(why, fmt.Sprintf("%d pages where they may be are swapped out", l.maps.swapped))
		}
		l.Skipped = append(l.Skipped, Skip{Why: strings.Join(why, ": ")})
	}
}
