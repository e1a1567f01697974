package census

import "memtrace/tracer/process/ptmalloc"

const (
	// staleTries is how often a chunk must be met with a mark and in no cache.
	staleTries = 3
	// mostStale is how many such chunks are looked at for a census.
	mostStale = 1 << 12
)

// cachedChunks tells chunks in threads' caches from blocks.
//
// A chunk that leaves the cache of a thread that ends keeps its mark. It may go to a fastbin, or become a
// part of the top. If malloc hands out a block there and the program has not written to it, the block
// looks like a chunk in a cache, and so may what its link leads to. But no cache has it in a list.
type cachedChunks struct {
	marks *ptmalloc.Marks
	far   *window
	// listed reports whether a cache had a block with this link in a list a while ago.
	listed func(block, link uint64) bool
	// inCache reports whether a block is in the list of a cache now. It is nil if that is not known.
	inCache func(block, size uint64) bool
	// stale is how many chunks were looked at.
	stale int
}

// cachedChunks returns what tells chunks in caches for a census.
func (w *Walker) cachedChunks(marks *ptmalloc.Marks, listed func(block, link uint64) bool) *cachedChunks {
	return &cachedChunks{marks: marks, far: newWindow(w.mem, pageSize), listed: listed, inCache: w.checker.InCache}
}

// unmarked takes no chunk for one in a cache.
func unmarked() *cachedChunks {
	return &cachedChunks{marks: &ptmalloc.Marks{}, listed: func(_, _ uint64) bool { return false }}
}

// has reports whether the chunk of a block is in a thread's cache, going by the first two words of
// the block.
func (c *cachedChunks) has(block, size, link, key uint64) bool {
	if !c.marks.Marked() {
		return c.listed(block, link)
	}
	return c.marks.Cached(block, link, key) && (c.listed(block, link) || !c.left(block, size, link, key))
}

// left reports whether a chunk with the mark of a cache is in none. In a program that runs it may
// leave one and come to it again meanwhile, so it is met several times.
func (c *cachedChunks) left(block, size, link, key uint64) bool {
	if c.inCache == nil || !ptmalloc.CacheSize(size) {
		return false
	}
	next := c.marks.Next(block, link)
	for range staleTries {
		// What follows in a list has the mark as well, which is quicker to tell.
		follows := true
		if next != 0 {
			_, mark, ok := c.words(next)
			follows = !ok || mark == key
		}
		if follows {
			if c.stale++; c.stale > mostStale || c.inCache(block, size) {
				return false
			}
		}
		if l, k, ok := c.words(block); !ok || l != link || k != key {
			return false
		}
	}
	return true
}

func (c *cachedChunks) words(addr uint64) (first, second uint64, ok bool) {
	c.far.fill(addr, addr+header)
	return c.far.words(addr)
}
