package census

import "context"

const (
	// mostFills is how often Each reads memory at most, which takes some seconds.
	mostFills = 1 << 17
	// eachCheck is how many addresses there are between two looks at the context.
	eachCheck = 1 << 10
)

// Each is Now for many addresses, which ascend, and gives what it finds. Memory that was read for one
// address serves those that are near it, so that it takes about a microsecond for each of many. all is
// false if they are too far apart to look at all of them, or ctx ends.
func (w *Walker) Each(ctx context.Context, c *Census, addrs []uint64, give func(addr uint64, b Block)) (all bool) {
	w.openWindows()
	w.together, w.near.fills = true, 0
	defer func() { w.together, w.kept = false, walk{} }()
	for n, addr := range addrs {
		if w.near.fills > mostFills || n%eachCheck == 0 && ctx.Err() != nil {
			return false
		}
		if b, ok := w.Now(c, addr); ok {
			give(addr, b)
		}
	}
	return true
}

// walkNow begins a walk over a heap, or goes on with what was read for the address before.
func (w *Walker) walkNow(c *Census, p place) *walk {
	k := &w.kept
	if !w.together || k.Start != p.Start || k.win == nil {
		*k = walk{win: w.near, far: w.far, caches: w.cachesNow(c), place: p, trail: &w.trail, lists: lists{heaps: c.heaps}}
		k.win.forget()
		k.readTop()
	}
	k.left = 1 << 20
	return k
}

// goOn goes on from the chunk that held the address before, if that is not too far away: ok says so. It is
// one walk then, as a census is.
func (w *Walker) goOn(c *Census, k *walk, addr uint64, last int) (b Block, ok bool) {
	from := k.reached
	switch {
	case !w.together || from.at == 0 || addr < from.at+header:
		return Block{}, false
	case addr <= from.next+header-8:
		return w.answer, true // of the same chunk
	}
	if i := last - backs[1]; i >= 0 && c.Blocks.At(i).Addr > from.at+header {
		return Block{}, false
	}
	if b, _, ok = k.to(from.at, addr, 0); !ok {
		return Block{}, false
	}
	return w.inUse(c, k, b), true
}

// inUse is what a walk that counts has found, none if that is in a fastbin.
func (w *Walker) inUse(c *Census, k *walk, b Block) Block {
	k.reached = k.found
	if w.answer = b; b.Addr != 0 && w.inFastbin(c, k, b) {
		w.answer = Block{}
	}
	return w.answer
}
