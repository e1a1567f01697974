package ptmalloc

// chunkBytes is how much is read of a free chunk: prev_size, size, fd, bk.
const chunkBytes = 32

// These are offsets in a free chunk.
const (
	chunkSize = 8
	chunkFd   = 16
	chunkBk   = 24
)

// cursor is a walk through one list. The cursors of an arena advance together, one chunk at a
// time, so that one call reads for all.
type cursor struct {
	bin int
	// head ends the list of a bin; 0 ends that of a fastbin. prev is the chunk read before.
	head, prev, at uint64
}

// bins sums up the chunks in an arena's bins as int_mallinfo does. The lists are doubly
// linked. A chunk counts only if it points back to the one that led to it, so a list that
// changes during the walk cannot lead it astray.
func (w *walk) bins(a *Arena, state *span) {
	l := w.layout
	var cursors []cursor
	for bin := 1; bin < binCount; bin++ {
		head := binHead(a.Address, l, bin)
		if last := state.Word(l.bins + uint64(bin-1)*16 + 8); last != head {
			cursors = append(cursors, cursor{bin, head, head, last})
		}
	}
	w.follow(a, cursors, func(c *cursor, chunk *span) bool {
		size := Header(chunk.Word(chunkSize))
		if !size.Plausible() || size&PrevInUse == 0 || size&IsMmapped != 0 ||
			chunk.Word(chunkFd) != c.prev || size.Size() > a.SystemBytes-a.Bins.Bytes {
			a.partial("its bins changed while they were read")
			return false
		}
		a.Bins.Chunks++
		a.Bins.Bytes += size.Size()
		c.prev, c.at = c.at, chunk.Word(chunkBk)
		return c.at != c.head
	})
}

// fastbins sums up the chunks in an arena's fastbins. Their lists are singly linked; the size
// is what ties a chunk to its bin.
func (w *walk) fastbins(a *Arena, state *span) {
	l := w.layout
	if l.fast == 0 {
		return
	}
	var cursors []cursor
	for bin := range fastCount {
		if first := state.Word(l.fast + uint64(bin)*8); first != 0 {
			cursors = append(cursors, cursor{bin: bin, at: first})
		}
	}
	if len(cursors) > 0 && w.h.Layout.fast == manglingUnknown {
		a.partial("its fastbins are stored in a way that depends on the version, which is not known")
		return
	}
	w.follow(a, cursors, func(c *cursor, chunk *span) bool {
		size := Header(chunk.Word(chunkSize)).Size()
		if size != minChunk+uint64(c.bin)*alignment || size > a.SystemBytes-a.Fast.Bytes {
			a.partial("its fastbins changed while they were read")
			return false
		}
		a.Fast.Chunks++
		a.Fast.Bytes += size
		next := chunk.Word(chunkFd)
		if w.h.Layout.fast == manglingShift {
			next ^= (c.at + chunkFd) >> 12
		}
		c.at = next
		return next != 0
	})
}

// follow reads the chunks at the cursors until step has ended each of them, a chunk cannot be
// read, or too many were read.
func (w *walk) follow(a *Arena, cursors []cursor, step func(*cursor, *span) bool) {
	bufs := make([]byte, len(cursors)*chunkBytes)
	spans := make([]span, 0, len(cursors))
	for len(cursors) > 0 {
		if len(cursors) > w.left {
			a.partial("too many free chunks to count")
			return
		}
		w.left -= len(cursors)
		spans = spans[:0]
		for i := range cursors {
			spans = append(spans, span{Addr: cursors[i].at, Buf: bufs[i*chunkBytes:][:chunkBytes]})
		}
		w.h.mem.Read(spans)
		on := cursors[:0]
		for i := range cursors {
			c := cursors[i]
			if !spans[i].OK || c.at%alignment != 0 {
				a.partial("free chunk at %#x is not readable", c.at)
				continue
			}
			if step(&c, &spans[i]) {
				on = append(on, c)
			}
		}
		cursors = on
	}
}
