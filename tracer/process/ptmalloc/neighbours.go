package ptmalloc

import (
	"encoding/binary"
	"os"
)

// view is what is read of a block: the two words of its chunk's header, the first two words of
// its contents, and the header of the next chunk.
type view struct {
	prevSize  uint64
	own, next Header
	// link and key are where a cached chunk has the next chunk of its list and, from 2.29, the
	// mark that it is cached.
	link, key uint64
	// ok and nextOK: the block's header and the next one could be read. absent: one could not
	// be read because there is no page.
	ok, nextOK, absent bool
}

const (
	viewBytes = 32
	// nearby is the largest size of a chunk that is read together with the next header: a
	// second piece costs more than the additional bytes.
	nearby = 256
	// fencepost is the smallest size that a next chunk may have: the marks at the end of an
	// arena's memory are no chunks (malloc.c, sysmalloc).
	fencepost = 16
	// userSpace is the end of the addresses that a process may have.
	userSpace = 1 << 47
)

// neighbours gives a first verdict from each block's header and the next one.
//
// As long as a block is in use, its own header stays the same except for PREV_INUSE, which
// belongs to the chunk before it. (A mapped chunk's header stays the same altogether.) And the
// next chunk has PREV_INUSE set. glibc writes both words whole, and never writes anything else
// in between. So one reading is enough, whenever it takes place. A reading that says Free is
// repeated all the same, to keep to the rule that nothing is believed that was read only once.
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

// resized returns a slice of n elements with arbitrary values.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// look reads the selected blocks.
func (c *Checker) look(views []view) {
	page := uint64(os.Getpagesize())
	c.rd.reset()
	for _, i := range c.which {
		b := c.blocks[i]
		size := b.Header.Size()
		switch {
		case inOne(b):
			c.rd.ask(b.Address-chunkHeader, int(size)+chunkHeader)
			continue
		case b.Address%page == 0:
			// The user may not have touched the page of the contents yet.
			c.rd.ask(b.Address-chunkHeader, chunkHeader)
			c.rd.ask(b.Address, viewBytes-chunkHeader)
		default:
			c.rd.ask(b.Address-chunkHeader, viewBytes)
		}
		if b.Header&IsMmapped == 0 {
			c.rd.ask(b.Address-HeaderOffset+size, 8)
		}
	}
	c.rd.read()
	spans := c.rd.spans
	for _, i := range c.which {
		b, v := c.blocks[i], &views[i]
		first := &spans[0]
		*v = view{ok: first.OK, absent: first.Absent, prevSize: first.Word(0), own: Header(first.Word(chunkSize))}
		contents := first.Buf[chunkHeader:]
		switch {
		case inOne(b):
			v.nextOK, v.next = first.OK, Header(first.Word(b.Header.Size()+HeaderOffset))
		case b.Address%page == 0:
			spans = spans[1:]
			contents = spans[0].Buf
			if !spans[0].OK {
				clear(contents)
			}
		}
		v.link, v.key = binary.LittleEndian.Uint64(contents), binary.LittleEndian.Uint64(contents[8:])
		spans = spans[1:]
		if !inOne(b) && b.Header&IsMmapped == 0 {
			next := &spans[0]
			v.nextOK, v.next, v.absent = next.OK, Header(next.Word(0)), v.absent || next.Absent
			spans = spans[1:]
		}
	}
}

// inOne reports whether a block is read in one piece with the next header.
func inOne(b Block) bool { return b.Header&IsMmapped == 0 && b.Header.Size() <= nearby }

// judge judges a block with header h by what is around it.
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
