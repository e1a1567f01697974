package ptmalloc

import "errors"

// cacheLayout is the layout of struct tcache_perthread_struct: the number of chunks that each
// bin has, or may still take, and then the heads of the lists.
type cacheLayout struct {
	// size is the size of the chunk that holds the structure, most the largest that it may have: a chunk
	// takes a rest in that is too small to be a chunk.
	size, most    uint64
	entries, bins uint64
	// countBytes is the size of a count, or 0 where counts are of chunks still missing.
	countBytes uint64
}

// cacheLayouts are the layouts of 2.26 to 2.29, of 2.30 to 2.41, and from 2.42 on. A chunk's
// size tells which one it is, whatever a distribution has backported. 2.43 rounds the size up to that of
// a chunk twice where malloc makes the structure (tcache_init in malloc.c).
var cacheLayouts = []cacheLayout{
	{size: 0x250, most: 0x260, entries: 64, bins: 64, countBytes: 1},
	{size: 0x290, most: 0x2a0, entries: 128, bins: 64, countBytes: 2},
	{size: 0x300, most: 0x320, entries: 152, bins: 76},
}

const (
	// cacheBytes is how much is read of a cache: the header of its chunk and all of the
	// largest layout.
	cacheBytes = 8 + 0x2f8
	// smallCacheBins is the number of bins with one chunk size each. The other bins, from
	// 2.42, hold chunks from one power of two up to the next, in ascending order of size.
	smallCacheBins = 64
)

var errNoCaches = errors.New("malloc's caches (tcache) of some threads were not found")

// cacheRef is a thread's cache, with its contents when last read.
type cacheRef struct {
	addr   uint64
	layout int
	heads  [smallCacheBins + 12]uint64
	counts [smallCacheBins + 12]uint64
}

// caches finds the caches (tcache) of a process's threads.
type caches struct {
	all []cacheRef
	// slot is the offset of the thread-local variable tcache from the thread pointer.
	slot  uint64
	found bool
	// err says why a block may be in a cache that was not found.
	err error
	// key is the mark of cached chunks from 2.34, or 0 while it is unknown. keyTries is how
	// often it was looked for.
	key      uint64
	keyTries int

	offsets []uint64
	votes   []int
	links   []cacheLink
	finds   []cacheFind
	keys    []uint64
}

// Caches returns nil if the caches of all threads were found the last time a block seemed to
// be in one, and an error otherwise. Blocks that may be in a cache that was not found are
// Unknown with CacheUnseen. On machines other than x86-64 only the cache of the first thread
// is found.
func (c *Checker) Caches() error { return c.caches.err }

// findCaches finds the cache of each thread.
func (c *Checker) findCaches() error {
	k := &c.caches
	k.all, k.err = k.all[:0], nil
	if !c.cached() {
		return nil
	}
	if err := c.findThreads(); err != nil {
		return err
	}
	if !k.found {
		c.findCacheSlot()
	}
	if k.found {
		c.readCachePointers()
		k.found = k.err == nil // otherwise look again: it may be another variable
	}
	c.firstCache()
	if !k.found && len(c.threads.pointers) > 0 || c.threads.unknown > 0 {
		k.err = errNoCaches
	}
	return nil
}

// cached reports whether malloc has caches: from 2.26, unless glibc.malloc.tcache_count is 0.
func (c *Checker) cached() bool {
	const countBehind, withCaches = 24, 112 // mp_: sbrk_base, tcache_bins, tcache_max_bytes, tcache_count
	l := &c.h.Layout.params
	if v := c.h.Layout.Version; v != (Version{}) && v.before(Version{2, 26}) {
		return false
	}
	if l.sbrkBase == 0 || l.size < withCaches {
		return true
	}
	c.rd.reset()
	c.rd.askOwn(c.h.bias+c.h.Layout.Params+l.sbrkBase+countBehind, 8)
	c.rd.read()
	return !c.rd.spans[0].OK || c.rd.spans[0].Word(0) != 0
}

// findCacheSlot finds out which of libc's thread-local variables is tcache: the one that, in
// most threads, points to a chunk that is such a structure.
func (c *Checker) findCacheSlot() {
	k := &c.caches
	c.readOffsets()
	k.votes = resized(k.votes, len(k.offsets))
	clear(k.votes)
	c.rd.reset()
	for _, tp := range c.threads.pointers {
		for _, off := range k.offsets {
			c.rd.ask(tp+off, 8)
		}
	}
	c.rd.read()
	var owners []int // offsets of what is read next
	pointers := c.rd.spans
	next := reader{mem: c.rd.mem}
	for i := range pointers {
		if word := pointers[i].Word(0); pointers[i].OK && mayBeBlock(word) {
			next.ask(word-HeaderOffset, cacheBytes)
			owners = append(owners, i%len(k.offsets))
		}
	}
	next.read()
	for i := range next.spans {
		var ref cacheRef
		if ref.decode(&next.spans[i]) && ref.plausible() {
			k.votes[owners[i]]++
		}
	}
	best, second := -1, 0
	for i, n := range k.votes {
		switch {
		case best < 0 || n > k.votes[best]:
			if best >= 0 {
				second = k.votes[best]
			}
			best = i
		case n > second:
			second = n
		}
	}
	if best >= 0 && k.votes[best] > second {
		k.slot, k.found = k.offsets[best], true
	}
}

// mayBeBlock reports whether a word may be the address of a block.
func mayBeBlock(word uint64) bool {
	return word > chunkHeader && word%alignment == 0 && word < userSpace
}

// readOffsets reads the offsets of libc's thread-local variables, which the dynamic linker has
// stored for libc's own code (R_X86_64_TPOFF64). In a static program they are constants in the
// code, so every word of the block below the thread pointer is tried.
func (c *Checker) readOffsets() {
	k, l := &c.caches, &c.h.Layout.tls
	k.offsets = k.offsets[:0]
	c.rd.reset()
	for _, slot := range l.slots {
		c.rd.askOwn(c.h.bias+slot, 8)
	}
	c.rd.read()
	for i := range c.rd.spans {
		if s := &c.rd.spans[i]; s.OK {
			k.offsets = append(k.offsets, s.Word(0))
		}
	}
	if len(l.slots) == 0 {
		for off := uint64(8); off <= l.block; off += 8 {
			k.offsets = append(k.offsets, -off)
		}
	}
}

// readCachePointers reads each thread's tcache. It is null in a thread that has no cache yet
// or no longer has one; from 2.42 it then points into libc.
func (c *Checker) readCachePointers() {
	k := &c.caches
	c.rd.reset()
	for _, tp := range c.threads.pointers {
		c.rd.ask(tp+k.slot, 8)
	}
	c.rd.read()
	for i := range c.rd.spans {
		s := &c.rd.spans[i]
		switch word := s.Word(0); {
		case !s.OK || word != 0 && !mayBeBlock(word) && !c.h.Layout.tls.own(word-c.h.bias):
			k.err = errNoCaches // the thread ended
		case mayBeBlock(word) && !c.h.Layout.tls.own(word-c.h.bias):
			k.all = append(k.all, cacheRef{addr: word, layout: -1})
		}
	}
	c.readCaches()
	ok := k.all[:0]
	for i := range k.all {
		if k.all[i].layout >= 0 {
			ok = append(ok, k.all[i])
		} else {
			k.err = errNoCaches
		}
	}
	k.all = ok
}

// firstCache adds the cache of a first thread whose thread pointer was not found. That cache
// is the first thing that malloc allocates, at the start of the heap.
func (c *Checker) firstCache() {
	if c.threads.unknown == 0 {
		return
	}
	params, err := c.h.readParams()
	if err != nil || params.SbrkBase == 0 {
		return
	}
	k := &c.caches
	addr := (params.SbrkBase+alignment-1)&^(alignment-1) + chunkHeader
	for i := range k.all {
		if k.all[i].addr == addr {
			return
		}
	}
	k.all = append(k.all, cacheRef{addr: addr, layout: -1})
	c.readCaches()
	if ref := &k.all[len(k.all)-1]; ref.layout < 0 || !ref.plausible() {
		k.all = k.all[:len(k.all)-1]
		return
	}
	c.threads.unknown--
}

// readCaches reads the heads of all lists.
func (c *Checker) readCaches() {
	k := &c.caches
	c.rd.reset()
	for i := range k.all {
		c.rd.ask(k.all[i].addr-HeaderOffset, cacheBytes)
	}
	c.rd.read()
	for i := range k.all {
		if !k.all[i].decode(&c.rd.spans[i]) {
			k.all[i].layout = -1
		}
	}
}

// decode reports whether s is a chunk of the size of such a structure.
func (r *cacheRef) decode(s *span) bool {
	if !s.OK {
		return false
	}
	head := Header(s.Word(0))
	for n, l := range cacheLayouts {
		if head&IsMmapped != 0 || head.Size() < l.size || head.Size() > l.most {
			continue
		}
		*r = cacheRef{addr: s.Addr + HeaderOffset, layout: n}
		for bin := range l.bins {
			r.heads[bin] = s.Word(8 + l.entries + bin*8)
			switch l.countBytes {
			case 1:
				r.counts[bin] = uint64(s.Buf[8+bin])
			case 2:
				r.counts[bin] = s.Word(8+bin*2) & 0xffff
			}
		}
		return true
	}
	return false
}

// plausible reports whether the heads may be those of lists: addresses of blocks where there
// are chunks, and null elsewhere.
func (r *cacheRef) plausible() bool {
	l := &cacheLayouts[r.layout]
	for bin := range l.bins {
		head := r.heads[bin]
		if head != 0 && !mayBeBlock(head) || l.countBytes != 0 && (head == 0) != (r.counts[bin] == 0) {
			return false
		}
	}
	return true
}
