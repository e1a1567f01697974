package ptmalloc

import "slices"

// cacheLink is a walk through one list of a cache.
type cacheLink struct {
	cache, bin int
	at         uint64 // the block
	steps      uint64
	// key is the mark of the chunks so far. keyed: all of them have a correct mark.
	key   uint64
	keyed bool
	// exact: the list ended after as many chunks as the cache counts.
	exact bool
	// done: the walk is over. ended: it reached the end of the list.
	done, ended bool
}

// cacheFind is a block that was found in a list.
type cacheFind struct {
	addr  uint64
	link  int
	keyed bool
}

const (
	// cacheWalks is how often caches are walked. keyedAgree is how often a block has to be
	// found in a list whose chunks all have the mark.
	cacheWalks, keyedAgree = 6, 2
	// plainWalks is how often a block has to be found without a miss where chunks have no
	// mark, up to 2.28. The user of a chunk that has just left a list may store a link to any
	// block in it.
	plainWalks = 16
	// maxCacheSteps is the longest list (glibc.malloc.tcache_count is at most 65,535; the
	// default is 7, from 2.43 16). maxCacheChunks is the most chunks read in one walk.
	maxCacheSteps, maxCacheChunks = 1 << 16, 1 << 17
	// keyVotes is the number of cached chunks that the mark is learned from. maxKeyTries
	// bounds the attempts: without the mark more blocks are looked for in the caches, which
	// only costs time.
	keyVotes, maxKeyTries = 4, 16
)

// Cached chunks have a mark in their second word, depending on the version: from keyIsCache
// the cache's address, from keyIsRandom a random word.
var (
	keyIsCache  = Version{2, 29}
	keyIsRandom = Version{2, 34}
)

// inCaches finds the blocks that are in a thread's cache. A cached chunk has a mark in its
// second word. A block in use may have one too: by chance, because a program copies what it
// does not initialise, or on purpose. So a block has to be found in the list, and all chunks
// before it must have the mark. malloc removes the mark when it hands a chunk out, so that
// whatever its user stores leads nowhere.
func (c *Checker) inCaches() error {
	c.want(c.mayBeCached)
	if len(c.which) == 0 {
		return nil
	}
	if err := c.findCaches(); err != nil {
		return err
	}
	if c.keyIsAddress() {
		c.keepMarked()
	}
	walks := cacheWalks
	if c.plain() {
		walks = plainWalks
	}
	for walk := range walks {
		if walk > 0 {
			c.readCaches()
		}
		if complete := c.walkCaches(walk); complete && !slices.ContainsFunc(c.hits, hit.wants) {
			break
		}
	}
	for n, i := range c.which {
		switch h := &c.hits[n]; {
		case h.keyed >= keyedAgree, c.plain() && h.inRow == plainWalks:
			c.set(i, Free, Tcache)
		case c.caches.err != nil:
			c.set(i, Unknown, CacheUnseen)
		}
	}
	return nil
}

// plain reports whether cached chunks may have no mark.
func (c *Checker) plain() bool {
	if v := c.h.Layout.Version; v != (Version{}) {
		return v.before(keyIsCache)
	}
	return c.h.Layout.fast != manglingShift
}

// keyIsAddress reports whether the mark is the cache's address.
func (c *Checker) keyIsAddress() bool {
	v := c.h.Layout.Version
	return !v.before(keyIsCache) && v.before(keyIsRandom)
}

// mayBeCached judges by the contents of the block.
func (c *Checker) mayBeCached(b Block, v *view) bool {
	if !c.mayLink(v.link, b.Address) {
		return false
	}
	switch key := c.caches.key; {
	case c.plain():
		return true
	case c.keyIsAddress():
		return mayBeBlock(v.key)
	case key != 0:
		return v.key == key
	}
	return v.key != 0
}

// keepMarked keeps only the blocks whose mark is a cache that was found.
func (c *Checker) keepMarked() {
	if c.caches.err != nil {
		return
	}
	which := c.which[:0]
	clear(c.wanted)
	for _, i := range c.which {
		key := c.views[i].key
		if slices.ContainsFunc(c.caches.all, func(r cacheRef) bool { return r.addr == key }) {
			c.wanted[c.blocks[i].Address] = int32(len(which))
			which = append(which, i)
		}
	}
	c.which, c.hits = which, c.hits[:len(which)]
}

// walkCaches follows all lists that may hold a wanted block. It reports whether it reached the
// end of each.
func (c *Checker) walkCaches(walk int) (complete bool) {
	k := &c.caches
	c.startLists()
	k.keys, k.finds = k.keys[:0], k.finds[:0]
	for read, left := 0, len(k.links); left > 0; {
		if read += left; read > maxCacheChunks {
			return false
		}
		c.rd.reset()
		for i := range k.links {
			if !k.links[i].done {
				c.rd.ask(k.links[i].at-HeaderOffset, 24)
			}
		}
		c.rd.read()
		spans := c.rd.spans
		left = 0
		for i := range k.links {
			if link := &k.links[i]; !link.done {
				if c.step(i, &spans[0]); !link.done {
					left++
				}
				spans = spans[1:]
			}
		}
	}
	for _, f := range k.finds {
		if f.keyed || k.links[f.link].exact {
			c.found(f.addr, walk, f.keyed)
		}
	}
	c.learnKey()
	return !slices.ContainsFunc(k.links, func(l cacheLink) bool { return !l.ended })
}

// startLists puts the walk at the heads of the lists.
func (c *Checker) startLists() {
	k := &c.caches
	k.links = k.links[:0]
	var bins [len(cacheRef{}.heads)]bool
	for _, i := range c.which {
		size := c.blocks[i].Header.Size()
		if bin := (size - minChunk) / alignment; bin < smallCacheBins {
			bins[bin] = true
			continue
		}
		for bin := smallCacheBins; bin < len(bins); bin++ {
			bins[bin] = true
		}
	}
	for n := range k.all {
		for bin, head := range k.all[n].heads {
			if bins[bin] && mayBeBlock(head) {
				k.links = append(k.links, cacheLink{cache: n, bin: bin, at: head, keyed: true})
			}
		}
	}
}

// step takes in a chunk of a list and moves on to the next.
func (c *Checker) step(n int, s *span) {
	k := &c.caches
	link := &k.links[n]
	ref := &k.all[link.cache]
	size, key := Header(s.Word(0)).Size(), s.Word(16)
	link.done = true
	if !s.OK || size < minChunk || link.bin < smallCacheBins && size != minChunk+uint64(link.bin)*alignment {
		return // it left the list
	}
	if link.keyed = link.keyed && c.marks(key, ref, link); !link.keyed && !c.plain() {
		return
	}
	link.key = key
	if _, wanted := c.wanted[link.at]; wanted {
		k.finds = append(k.finds, cacheFind{link.at, n, link.keyed})
	}
	k.keys = append(k.keys, key)
	next := c.demangled(s.Word(8), link.at)
	link.steps++
	link.ended = next == 0
	link.exact = link.ended && link.steps == ref.counts[link.bin]
	if mayBeBlock(next) && link.steps < maxCacheSteps {
		link.at, link.done = next, false
	}
}

// marks reports whether a word is the mark of a chunk in a list.
func (c *Checker) marks(key uint64, ref *cacheRef, link *cacheLink) bool {
	switch {
	case key == 0 || link.steps > 0 && key != link.key:
		return false
	case c.keyIsAddress(), c.plain(): // a distribution may have backported the mark
		return key == ref.addr
	}
	return c.caches.key == 0 || key == c.caches.key
}

// learnKey learns the random mark from cached chunks: it is the word that most of the chunks
// just read have, and also the value of a variable of libc (tcache_key). From then on only
// blocks with the mark are looked for.
func (c *Checker) learnKey() {
	k := &c.caches
	if k.key != 0 || c.keyIsAddress() || c.plain() || len(k.keys) < keyVotes || k.keyTries == maxKeyTries {
		return
	}
	k.keyTries++
	slices.Sort(k.keys)
	key := k.keys[len(k.keys)/2]
	if key == 0 || mayBeBlock(key) {
		return
	}
	if c.inData(key) {
		k.key = key
	}
}
