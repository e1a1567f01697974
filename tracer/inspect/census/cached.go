package census

import "memtrace/tracer/process/ptmalloc"

const (
	// staleTries is how often a chunk must be met as it is left by malloc and in no cache.
	staleTries = 3
	// mostStale is how many such chunks are looked at for a census.
	mostStale = 1 << 12
)

// cachedChunks tells chunks in threads' caches from blocks.
//
// A chunk keeps the mark of a cache where a thread ended and its cache went to the fastbins. If malloc
// takes it from there and the program has not written to it, it is a block that looks like a chunk in
// a cache. But then its link leads to a chunk's header, not to a chunk with that mark, or, if it leads
// nowhere, no cache has it.
type cachedChunks struct {
	marks *ptmalloc.Marks
	far   *window
	// listed reports whether a chunk is in the list of a cache. It is nil if that is not known.
	listed func(block, size uint64) bool
	// stale is how many chunks were looked at.
	stale int
}

// has reports whether the chunk of a block is in a thread's cache, going by the first two words of
// the block.
func (c *cachedChunks) has(block, size, link, key uint64) bool {
	return c.marks.Cached(block, link, key) && !c.left(block, size, link, key)
}

// left reports whether a chunk with the mark of a cache is in none. In a program that runs it may
// leave one and come to it again meanwhile, so it is met several times.
func (c *cachedChunks) left(block, size, link, key uint64) bool {
	if c.listed == nil || !ptmalloc.FastSize(size) {
		return false
	}
	next := c.marks.Next(block, link)
	for range staleTries {
		if next != 0 {
			if _, mark, ok := c.words(next); !ok || mark == key {
				return false
			}
		} else {
			if c.stale++; c.stale > mostStale || c.listed(block, size) {
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

// cachedChunks returns what tells cached chunks by their marks.
func (w *Walker) cachedChunks(marks *ptmalloc.Marks) cachedChunks {
	if w.beside == nil {
		w.beside = newWindow(w.mem, pageSize)
	}
	return cachedChunks{marks: marks, far: w.beside, listed: w.checker.InCache}
}
