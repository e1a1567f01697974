package ptmalloc

import "encoding/binary"

// view is what is read of a block: the two words of its chunk's header, the
// first two of its contents, and the header of the next chunk.
type view struct {
	prevSize  uint64
	own, next Header
	// link and key are where a cached chunk has its list's next and, from 2.29,
	// the mark that it is cached.
	link, key uint64
	// ok, nextOK: those parts could be read.
	ok, nextOK bool
}

const (
	viewBytes = 32
	// nearby is up to what chunk size a chunk is read together with the next
	// one's header: a second piece costs more than its bytes.
	nearby = 256
	// fencepost is the smallest size that a next chunk may have: the marks at
	// the end of an arena's memory are no chunks (malloc.c, sysmalloc).
	fencepost = 16
	// userSpace is the end of what addresses a process may have.
	userSpace = 1 << 47
)

// neighbours gives a first verdict by each block's header and the next one's.
//
// As long as a block is in use, its own header stays as it is but for
// PREV_INUSE, which goes with the chunk before it (a mapped chunk's header
// stays altogether), and the next chunk has PREV_INUSE set: glibc writes both
// words whole, and never otherwise in between. So one reading tells, whenever
// it takes place. It is repeated where it says Free, to keep to the rule that
// nothing is believed that was read once.
func (c *Checker) neighbours() {
	c.which = c.which[:0]
	for i, b := range c.blocks {
		if b.Address%alignment != 0 || b.Address < chunkHeader || !b.Header.Plausible() ||
			b.Address >= userSpace || b.Header.Size() >= userSpace {
			c.set(int32(i), Unknown, NotAChunk)
			continue
		}
		c.which = append(c.which, int32(i))
	}
	c.views = resized(c.views, len(c.blocks))
	c.look(c.views)
	again := c.which[:0]
	for _, i := range c.which {
		if c.verdicts[i] = c.views[i].judge(c.blocks[i].Header); c.verdicts[i].State == Free {
			again = append(again, i)
		}
	}
	c.which = again
	c.again = resized(c.again, len(c.blocks))
	c.look(c.again)
	for _, i := range c.which {
		if c.again[i].judge(c.blocks[i].Header).State == InUse {
			c.set(i, InUse, None) // handed out again in between
		}
	}
}

// resized returns a slice of n elements, their values left to chance.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// look reads the blocks at hand.
func (c *Checker) look(views []view) {
	c.rd.reset()
	for _, i := range c.which {
		b := c.blocks[i]
		switch size := b.Header.Size(); {
		case b.Header&IsMmapped != 0:
			c.rd.ask(b.Address-chunkHeader, viewBytes)
		case size <= nearby:
			c.rd.ask(b.Address-chunkHeader, int(size)+chunkHeader)
		default:
			c.rd.ask(b.Address-chunkHeader, viewBytes)
			c.rd.ask(b.Address-HeaderOffset+size, 8)
		}
	}
	c.rd.read()
	spans := c.rd.spans
	for _, i := range c.which {
		h := c.blocks[i].Header
		views[i].decode(&spans[0])
		switch size := h.Size(); {
		case h&IsMmapped != 0:
		case size <= nearby:
			views[i].nextOK = spans[0].ok
			views[i].next = Header(spans[0].word(size + HeaderOffset))
		default:
			spans = spans[1:]
			views[i].nextOK = spans[0].ok
			views[i].next = Header(binary.LittleEndian.Uint64(spans[0].buf))
		}
		spans = spans[1:]
	}
}

func (v *view) decode(s *span) {
	*v = view{
		ok:       s.ok,
		prevSize: s.word(0),
		own:      Header(s.word(chunkSize)),
		link:     s.word(chunkFd),
		key:      s.word(chunkBk),
	}
}

// judge tells what a block with such a header is by its neighbourhood.
func (v *view) judge(h Header) Verdict {
	mayChange := PrevInUse
	if h&IsMmapped != 0 {
		mayChange = 0
	}
	switch {
	case v.ok && (v.own^h)&^mayChange != 0:
		return Verdict{Free, HeaderChanged}
	case v.ok && h&IsMmapped != 0:
		return Verdict{InUse, None}
	case v.nextOK && v.next&PrevInUse == 0:
		return Verdict{Free, NextSaysFree}
	case v.nextOK && (v.next&IsMmapped != 0 || v.next.Size()%alignment != 0 || v.next.Size() < fencepost):
		return Verdict{Free, NextChanged}
	case v.ok && v.nextOK:
		return Verdict{InUse, None}
	}
	return Verdict{Unknown, Unreadable}
}
