package ptmalloc

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Marks says how free chunks that their neighbours call in use are told from blocks: those in
// threads' caches and in fastbins.
type Marks struct {
	// key is the second word of cached chunks from 2.34 on, 0 while it is not known.
	key uint64
	// caches are the caches' addresses, in order, which are that word in 2.29 to 2.33.
	caches []uint64
	shift  bool
}

// Cached reports whether the block at an address is in a thread's cache, going by its first two
// words. malloc clears the second as it hands a chunk out. A link that leads nowhere says that
// the chunk left a cache in another way (tcache_thread_shutdown, then a fastbin), and is in use.
func (m *Marks) Cached(addr, link, key uint64) bool {
	return key != 0 && (key == m.key || len(m.caches) > 0 && m.isCache(key)) && m.links(addr, link)
}

func (m *Marks) isCache(addr uint64) bool {
	_, ok := slices.BinarySearch(m.caches, addr)
	return ok
}

func (m *Marks) links(addr, link uint64) bool {
	next := m.Next(addr, link)
	return next%alignment == 0 && next < userSpace
}

// Next returns where the first word of a chunk that a list has leads to, 0 if nowhere.
func (m *Marks) Next(addr, link uint64) uint64 {
	if m.shift {
		link ^= addr >> 12
	}
	return link
}

// Marked reports whether chunks in threads' caches have marks that are known.
func (m *Marks) Marked() bool { return m.key != 0 || len(m.caches) > 0 }

// CacheSize reports whether threads' caches have a list for chunks of this size alone.
func CacheSize(size uint64) bool { return size < minChunk+smallCacheBins*alignment }

// MayBeFast reports whether the block at an address may be in a fastbin, going by the size of its
// chunk and its first word. Up to 2.31 the word tells nothing, and this reports false.
func (m *Marks) MayBeFast(addr, size, link uint64) bool {
	return m.shift && size < minChunk+fastCount*alignment && m.links(addr, link)
}

// FastNext returns the chunk that the first word of a block leads on to if it is in a fastbin, 0 if there
// is none or the block's chunk is too large for one. If that is in a heap the block is in a fastbin, but for
// one to which nothing was written since it was. Up to 2.31 a program could write such a word, though none
// has a pointer to a chunk.
func (m *Marks) FastNext(addr, size, link uint64) uint64 {
	next := m.Next(addr, link)
	if size >= minChunk+fastCount*alignment || next%alignment != 0 {
		return 0
	}
	return next
}

// surveyCaches finds the threads' caches and the mark of the chunks in them.
func (c *Checker) surveyCaches(s *Survey) {
	s.Marks.shift = c.h.Layout.fast == manglingShift
	if !c.cached() {
		return
	}
	if err := c.findCaches(); err != nil {
		s.partial("threads' caches were not found: %v", err)
		return
	}
	k := &c.caches
	if k.err != nil {
		s.partial("%v", k.err)
	}
	for i := range k.all {
		s.Caches = append(s.Caches, k.all[i].addr)
	}
	slices.Sort(s.Caches)
	switch {
	case c.keyIsAddress():
		s.Marks.caches = s.Caches
	case !c.plain():
		if k.key == 0 {
			k.key = c.commonKey()
		}
		s.Marks.key = k.key
	}
}

// commonKey returns the second word of the chunks at the heads of the caches' lists: the one that
// most of several have, or one that is also the value of a variable of libc. It returns 0 if there
// is none. A program that has libc linked in may have too much data to search.
func (c *Checker) commonKey() uint64 {
	c.rd.reset()
	for i := range c.caches.all {
		for _, head := range c.caches.all[i].heads {
			if mayBeBlock(head) {
				c.rd.ask(head+8, 8)
			}
		}
	}
	c.rd.read()
	votes, all := make(map[uint64]int), 0
	for i := range c.rd.spans {
		if s := &c.rd.spans[i]; s.OK && s.Word(0) != 0 {
			votes[s.Word(0)]++
			all++
		}
	}
	var keys []uint64
	for key := range votes {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b uint64) int { return votes[b] - votes[a] })
	for _, key := range keys[:min(len(keys), keyVotes)] {
		if n := votes[key]; n >= keyVotes && 2*n > all || c.inData(key) {
			return key
		}
	}
	return 0
}

// inData reports whether a word is in libc's data.
func (c *Checker) inData(key uint64) bool {
	const most = 1 << 20
	var want [8]byte
	binary.LittleEndian.PutUint64(want[:], key)
	for _, d := range c.h.Layout.tls.data {
		c.rd.reset()
		start := c.h.bias + d.start
		for end := start + min(d.size, most); start < end; {
			// Pages that were never written to are skipped.
			n := min(end, start&^(pageSize-1)+pageSize) - start
			c.rd.askOwn(start, int(n))
			start += n
		}
		c.rd.read()
		if slices.ContainsFunc(c.rd.spans, func(s span) bool { return s.OK && bytes.Contains(s.Buf, want[:]) }) {
			return true
		}
	}
	return false
}
