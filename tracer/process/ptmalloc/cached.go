package ptmalloc

// Cached sums up the chunks in the caches of all threads, by what the caches count. ok is false
// if a thread's cache was not found, or does not count its chunks (from 2.42 on).
func (c *Checker) Cached() (sum Sum, ok bool) {
	err := c.findCaches()
	// This also forgets which pages there were.
	if gone := c.h.alive(); err != nil || gone != nil || c.caches.err != nil {
		return Sum{}, false
	}
	for i := range c.caches.all {
		ref := &c.caches.all[i]
		l := &cacheLayouts[ref.layout]
		if l.countBytes == 0 {
			return Sum{}, false
		}
		for bin, n := range ref.counts[:l.bins] {
			sum.Chunks += n
			sum.Bytes += n * (minChunk + uint64(bin)*alignment)
		}
	}
	return sum, true
}
