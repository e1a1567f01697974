package ptmalloc

import (
	"cmp"
	"slices"
)

// Linked is a free chunk in a list: the address of the block that it was, and its first word.
type Linked struct{ Addr, Link uint64 }

// Lists reads the free chunks that lists tell from blocks: those in fastbins, and those in threads'
// caches whose size has a list of its own. They are sorted by address. Each is read at another moment: a
// chunk whose first word is no longer Link has left its list. most bounds how many pieces of memory are
// read for either, and the chunks at mostPerRead times that. complete is false if fastbins have more, or if they
// changed again and again.
func (c *Checker) Lists(most int) (fast, cached []Linked, complete bool) {
	if c.h.alive() != nil || c.readArenas() != nil {
		return nil, nil, false
	}
	complete = true
	if c.h.Layout.arena.fast != 0 {
		fast, complete = c.fastLists(most)
	}
	cached, all := c.cacheLists(0, smallCacheBins, most)
	return fast, cached, complete && all
}

// fastLists goes through the lists of fastbins. A list whose first chunk left it as it was read ends
// there, so all are read again then.
func (c *Checker) fastLists(most int) (list []Linked, complete bool) {
	const tries = 4
	for n := range tries {
		if n > 0 && !c.rereadFastbins() {
			break
		}
		var links []listLink
		for i := range c.tops.states {
			for bin, first := range c.tops.states[i].fast {
				if first != 0 {
					links = append(links, listLink{at: first + chunkHeader, size: minChunk + uint64(bin)*alignment, to: chunkHeader})
				}
			}
		}
		var end listsEnd
		if list, end = c.follow(links, most); end != listsBroken {
			return list, end == listsWhole
		}
	}
	return list, false
}

// InCache reports whether a block, whose chunk has a size of CacheSize, is in a thread's cache now.
func (c *Checker) InCache(addr, size uint64) bool {
	const most = 1 << 16
	bin := int((size - minChunk) / alignment)
	list, _ := c.cacheLists(bin, bin+1, most)
	return slices.ContainsFunc(list, func(l Linked) bool { return l.Addr == addr })
}

// cacheLists goes through the lists of threads' caches from one bin to before another one.
func (c *Checker) cacheLists(first, end, most int) (list []Linked, complete bool) {
	if !c.cached() {
		return nil, true
	}
	c.readCaches()
	var links []listLink
	for i := range c.caches.all {
		r := &c.caches.all[i]
		for bin := first; bin < end && r.layout >= 0; bin++ { // without a layout its thread has ended
			if mayBeBlock(r.heads[bin]) {
				links = append(links, listLink{at: r.heads[bin], size: minChunk + uint64(bin)*alignment})
			}
		}
	}
	list, how := c.follow(links, most)
	return list, how != listsCut // a cache is used all the time
}

// listLink is a walk through one list: the block at which it is, the size of its chunks, and what
// to add to a link to get the block.
type listLink struct {
	at, size, to uint64
	// mark is a block that was passed steps chunks ago. After turn steps there is a new one: a list that
	// comes to it again is a loop (Brent's algorithm).
	mark        uint64
	steps, turn int
}

// listsEnd says how walks through lists ended.
type listsEnd int

const (
	listsWhole listsEnd = iota
	// listsBroken: one came to what is no chunk of the list, as when a chunk leaves it meanwhile.
	listsBroken
	// listsCut: there were more chunks than may be read.
	listsCut
)

const (
	// listWindow is how much is read around a chunk at most: chunks that were freed one after the other
	// are often near each other. All lists together may have listWindows bytes.
	listWindow, listWindows = 1 << 10, 1 << 20
	// mostPerRead is how many chunks may be listed for each piece of memory that may be read.
	mostPerRead = 16
)

// follow goes through lists, a piece of memory of each at a time.
func (c *Checker) follow(links []listLink, most int) (list []Linked, end listsEnd) {
	for reads := 0; len(links) > 0; {
		if reads >= most {
			end = listsCut
			break
		}
		reads += len(links)
		window := uint64(listWindow)
		for window > 16 && window*uint64(len(links)) > listWindows {
			window /= 2
		}
		c.rd.reset()
		for i := range links {
			start, size := links[i].at-HeaderOffset, uint64(16)
			if links[i].at%window != 0 { // the link is in the same piece as the header
				start, size = start&^(window-1), window
			}
			c.rd.ask(start, int(size))
		}
		c.rd.read()
		on := links[:0]
		for i := range links {
			l := links[i]
			left := mostPerRead*most - len(list)
			var how listsEnd
			list, how = c.through(&l, &c.rd.spans[i], list, left)
			if end = max(end, how); how == listsWhole && l.at != 0 {
				on = append(on, l)
			}
		}
		links = on
	}
	slices.SortFunc(list, func(a, b Linked) int { return cmp.Compare(a.Addr, b.Addr) })
	return slices.CompactFunc(list, func(a, b Linked) bool { return a.Addr == b.Addr }), end
}

// through follows a list as far as a piece of memory shows it, and adds up to left chunks. l.at is 0 where
// the list ends.
func (c *Checker) through(l *listLink, s *span, list []Linked, left int) ([]Linked, listsEnd) {
	for {
		off := l.at - HeaderOffset - s.Addr
		switch {
		case l.at%alignment == 0 && off > uint64(len(s.Buf))-16:
			return list, listsWhole // the next piece has it
		case !s.OK || l.at%alignment != 0 || Header(s.Word(off)).Size() != l.size || l.at == l.mark:
			return list, listsBroken
		case left == 0:
			return list, listsCut
		}
		if l.steps++; l.steps >= l.turn {
			l.mark, l.steps, l.turn = l.at, 0, max(2*l.turn, 1)
		}
		link := s.Word(off + HeaderOffset)
		list, left = append(list, Linked{l.at, link}), left-1
		next := c.demangled(link, l.at)
		if next == 0 {
			l.at = 0
			return list, listsWhole
		}
		l.at = next + l.to
	}
}
