package ptmalloc

import "slices"

// fastLink is a walk through one fastbin.
type fastLink struct {
	at    uint64 // the chunk
	bin   int
	steps int
}

const (
	// fastWalks is how often fastbins are walked, and fastAgree how often a block has to be
	// found.
	fastWalks, fastAgree = 4, 2
	// maxFastSteps is the longest fastbin. maxFastChunks is the most chunks read in one walk
	// over all fastbins.
	maxFastSteps, maxFastChunks = 1 << 14, 1 << 16
)

// hit counts how often a block was found in a list.
type hit struct {
	// inRow is how often without a miss in between, times how often in all, and keyed how
	// often in a list whose chunks all had the mark of cached chunks.
	inRow, times, keyed int
	// walk is the last walk that found it.
	walk int
}

// wants reports whether a block that was found has to be looked for again.
func (h hit) wants() bool { return h.times > 0 }

// inFastbins finds the blocks that are in a fastbin of an arena. Fastbins hold the smallest
// chunks, up to 176 bytes (M_MXFAST).
//
// Neither a chunk's own header nor the next one's tells that it is in a fastbin: only the list
// does, and it is walked while it changes. A chunk that has just left the list points to
// whatever its user stores. But no user stores a chunk's address, which is 16 bytes before the
// block's and from 2.32 is mixed with the address of the link itself (PROTECT_PTR). And a
// block has to be found in two walks.
func (c *Checker) inFastbins() {
	if c.h.Layout.arena.fast == 0 || c.h.Layout.ArenaError != nil {
		return
	}
	c.want(func(b Block, v *view) bool {
		return b.Header.Size() < minChunk+fastCount*alignment && c.mayLink(v.link, b.Address)
	})
	if len(c.which) > 0 && c.h.Layout.fast == manglingUnknown {
		for _, i := range c.which {
			c.set(i, Unknown, FastbinUnseen)
		}
		return
	}
	if c.keepLinked(); len(c.which) == 0 {
		return
	}
	var bins [fastCount]bool
	for _, i := range c.which {
		bins[(c.blocks[i].Header.Size()-minChunk)/alignment] = true
	}
	complete := false
	for walk := range fastWalks {
		if walk > 0 && !c.rereadFastbins() {
			break
		}
		complete = c.walkFastbins(&bins, walk) || complete
		if complete && !slices.ContainsFunc(c.hits, hit.wants) {
			break
		}
	}
	for n, i := range c.which {
		if c.hits[n].times >= fastAgree {
			c.set(i, Free, Fastbin)
		} else if !complete && c.verdicts[i].State == InUse {
			c.set(i, Unknown, FastbinUnseen)
		}
	}
}

// want selects the blocks to look for in lists: those that are in use so far and may be in a
// list.
func (c *Checker) want(may func(Block, *view) bool) {
	c.which, c.hits = c.which[:0], c.hits[:0]
	clear(c.wanted)
	for i := range c.blocks {
		b := c.blocks[i]
		if c.verdicts[i].State != InUse && c.verdicts[i].Reason != CacheUnseen || !may(b, &c.views[i]) {
			continue
		}
		c.wanted[b.Address] = int32(len(c.which))
		c.which = append(c.which, int32(i))
		c.hits = append(c.hits, hit{walk: -1})
	}
}

// keepLinked keeps only the blocks whose first word is null or leads to a chunk of the same
// size, as in a fastbin.
func (c *Checker) keepLinked() {
	c.rd.reset()
	for _, i := range c.which {
		if link := c.demangled(c.views[i].link, c.blocks[i].Address); link != 0 {
			c.rd.ask(link+chunkSize, 8)
		}
	}
	c.rd.read()
	spans, which := c.rd.spans, c.which[:0]
	clear(c.wanted)
	for _, i := range c.which {
		b := c.blocks[i]
		if c.demangled(c.views[i].link, b.Address) != 0 {
			s := &spans[0]
			spans = spans[1:]
			if !s.OK || Header(s.Word(0)).Size() != b.Header.Size() {
				continue
			}
		}
		c.wanted[b.Address] = int32(len(which))
		which = append(which, i)
	}
	c.which, c.hits = which, c.hits[:len(which)]
}

// mayLink reports whether a word stored at an address may be the link of a list: null, or an
// aligned address.
func (c *Checker) mayLink(word, at uint64) bool {
	if c.h.Layout.fast == manglingUnknown {
		return true
	}
	link := c.demangled(word, at)
	return link == 0 || link%alignment == 0 && link < userSpace
}

// demangled undoes PROTECT_PTR from 2.32 on, like REVEAL_PTR (malloc.c).
func (c *Checker) demangled(word, at uint64) uint64 {
	if c.h.Layout.fast == manglingShift {
		return word ^ at>>12
	}
	return word
}

// rereadFastbins reads the heads of all fastbins again.
func (c *Checker) rereadFastbins() bool {
	l, t := &c.h.Layout.arena, &c.tops
	c.rd.reset()
	for _, addr := range t.addrs {
		c.rd.askOwn(addr+l.fast, fastCount*8)
	}
	c.rd.read()
	for i := range c.rd.spans {
		if !c.rd.spans[i].OK {
			return false
		}
		for bin := range fastCount {
			t.states[i].fast[bin] = c.rd.spans[i].Word(uint64(bin) * 8)
		}
	}
	return true
}

// walkFastbins follows the lists of all arenas. It reports whether it reached the end of each.
func (c *Checker) walkFastbins(bins *[fastCount]bool, walk int) (complete bool) {
	links := c.fasts[:0]
	for i := range c.tops.states {
		for bin, first := range c.tops.states[i].fast {
			if bins[bin] && first != 0 {
				links = append(links, fastLink{at: first, bin: bin})
			}
		}
	}
	complete = true
	for read := 0; len(links) > 0; {
		if read += len(links); read > maxFastChunks {
			complete = false
			break
		}
		c.rd.reset()
		for i := range links {
			c.rd.ask(links[i].at+chunkSize, 16)
		}
		c.rd.read()
		on := links[:0]
		for i := range links {
			link, s := links[i], &c.rd.spans[i]
			if !s.OK || link.at%alignment != 0 || Header(s.Word(0)).Size() != minChunk+uint64(link.bin)*alignment {
				complete = false
				continue
			}
			c.found(link.at+chunkHeader, walk, false)
			link.at = c.demangled(s.Word(8), link.at+chunkFd)
			if link.steps++; link.steps > maxFastSteps {
				complete = false
			} else if link.at != 0 {
				on = append(on, link)
			}
		}
		links = on
	}
	c.fasts = links[:0]
	return complete
}

// found counts a find of a block that is looked for.
func (c *Checker) found(addr uint64, walk int, keyed bool) {
	n, ok := c.wanted[addr]
	if !ok || c.hits[n].walk == walk {
		return
	}
	h := &c.hits[n]
	if h.walk != walk-1 {
		h.inRow = 0
	}
	if keyed {
		h.keyed++
	}
	h.walk, h.times, h.inRow = walk, h.times+1, h.inRow+1
}
