package census

import (
	"time"

	"memtrace/tracer/process/procmem"
)

const (
	// rereads is how often the chunks since a checkpoint are read again where they do not follow one
	// another.
	rereads = 3
	// inRow is how many plausible chunks in a row make a new beginning.
	inRow = 8
	// small is the size that the first of them have, limited how many these are.
	small, limited = 1024, 3
	// mostFirst is how many beginnings firstOf tries, mostLeading through how many chunks it goes from each.
	mostFirst, mostLeading = 64, 1 << 10
	// mostWaiting bounds how long the rereads of a census wait in all.
	mostWaiting = 250 * time.Millisecond
)

// waits are how long each reread waits for a thread that may have lost its processor in malloc.
var waits = [rereads]time.Duration{0, 100 * time.Microsecond, 2 * time.Millisecond}

// healing is what a walk needs to find its way again.
type healing struct {
	// base is the checkpoint where the window begins, mark the last one, and old the one before.
	base, mark, old checkpoint
	// trouble is the furthest address that was bad, and tries how often the walk has gone back since.
	// at is the last one, to which the chunk from led; steady says that it was the same twice.
	trouble, at, from uint64
	tries             int
	steady            bool
	// left is how many bytes may still be read again.
	left   uint64
	waited time.Duration
}

// checkpoint is where a walk goes back to.
type checkpoint struct {
	chunk, prev uint64
	blocks      int
	sums        Totals
	lists       lists
}

// save makes a chunk the last checkpoint.
func (w *walk) save(chunk, prev uint64) {
	w.old, w.mark = w.mark, checkpoint{chunk, prev, w.out.b.n, w.sums, w.lists}
	if chunk > w.trouble {
		w.tries = 0
	}
}

// begin makes a chunk all checkpoints. While the walk is going back, base stays where it is.
func (w *walk) begin(chunk, prev uint64) {
	w.save(chunk, prev)
	w.old = w.mark
	if w.tries == 0 {
		w.base = w.mark
	}
}

// heal goes on after a chunk led to an address where there is no header. It goes back to a
// checkpoint and has the window read again. If that does not help, it looks for the next chunks.
func (w *walk) heal(chunk, at uint64) (next, prev uint64, ok bool) {
	if w.tries == 0 {
		w.resyncs++
		w.at = 0
	}
	w.steady = w.at == at && w.from == chunk
	w.at, w.from, w.trouble = at, chunk, max(w.trouble, at)
	if w.tries < rereads && w.left >= windowBytes {
		if wait := waits[w.tries]; w.waited+wait <= mostWaiting {
			w.waited += wait
			time.Sleep(wait)
		}
		w.tries++
		back := &w.old
		if w.tries == rereads {
			back = &w.base
		}
		return w.goBack(*back)
	}
	from := chunk + alignment
	if w.steady && at > chunk {
		from = at // the chunk's size is right
	}
	next, why, ok := w.search(from)
	w.skipped.add(Range{chunk, next}, why)
	if ok {
		w.tries, w.trouble = 0, 0
		w.begin(next, 0)
	}
	return next, 0, ok
}

// goBack forgets all since a checkpoint.
func (w *walk) goBack(c checkpoint) (chunk, prev uint64, ok bool) {
	w.out.truncate(c.blocks)
	w.sums, w.lists = c.sums, c.lists
	w.mark, w.old = c, c
	w.left -= windowBytes
	w.win.forget()
	w.readTop()
	return c.chunk, c.prev, true
}

// These are reasons for which memory was not looked at.
const (
	swappedOut = "it is swapped out"
	tooFast    = "the heap changed faster than it could be read, or is damaged"
)

// search looks for the first of several chunks in a row. If there is none, it returns the end. It
// prefers small chunks: a word that a program stored leads to a real chunk now and then, and must
// not lead over many others.
func (w *walk) search(from uint64) (chunk uint64, why string, ok bool) {
	if chunk, why, ok = w.searchTo(from, min(w.End, from+windowBytes), small); !ok {
		chunk, why, ok = w.searchTo(from, w.End, userSpace)
	}
	return chunk, why, ok
}

// searchTo is search up to an address, for chunks of which the first are of limited size.
func (w *walk) searchTo(from, to, most uint64) (chunk uint64, why string, ok bool) {
	why = tooFast
	w.readTop()
	w.win.forget()
	w.far.forget()
	for c := from; c < to; {
		if w.top != 0 && c >= w.top {
			return w.top, why, true
		}
		if !w.win.holds(c) {
			w.win.fill(c, w.End+minChunk)
		}
		_, head, there := w.win.words(c)
		if !there {
			if w.win.state(c) == procmem.Swapped {
				why = swappedOut
			}
			if w.left < pageSize {
				break
			}
			w.left -= 64
			c = w.win.behind(c, to)
			continue
		}
		if w.plausible(c, head) && w.beginning(c, most) {
			return c, why, true
		}
		if w.left < pageSize {
			break
		}
		c += alignment
	}
	if w.top != 0 && to >= w.top && most > small {
		return w.top, why, true
	}
	return w.End, why, false
}

// firstOf returns the first chunk from an address on from which chunks lead to one that search found.
// In memory that malloc never had there are no headers of chunks that once were, and those that search
// prefers need not be the first.
func (w *walk) firstOf(from, found uint64) uint64 {
	for n := 0; n < mostFirst && from < found; n++ {
		chunk, _, _ := w.searchTo(from, found, userSpace)
		if chunk >= found {
			break
		}
		if w.leadsTo(chunk, found) {
			return chunk
		}
		from = chunk + alignment
	}
	return found
}

// leadsTo reports whether chunks follow one another from one to another.
func (w *walk) leadsTo(chunk, to uint64) bool {
	for n, prev := 0, uint64(0); chunk < to && n < mostLeading; n++ {
		before, head, ok := w.headerAt(chunk)
		if !ok || !w.plausible(chunk, head) || n > 0 && head&1 == 0 && before != prev {
			return false
		}
		prev = head &^ 7
		chunk += prev
	}
	return chunk == to
}

// beginning reports whether several chunks follow one another from an address on, or all until the
// end. The first of them have at most so many bytes.
func (w *walk) beginning(chunk, most uint64) bool {
	at, prev, flags := chunk, uint64(0), uint64(0)
	for n := range inRow {
		if at == w.top && n > 0 {
			return true
		}
		before, head, ok := w.headerAt(at)
		size := head &^ 7
		// The chunk before, if it is in use, says which kind of arena it is in.
		if !ok || n > 0 && head&1 != 0 && !w.main && flags&4 == 0 || n > 0 && head&1 == 0 && before != prev {
			return false
		}
		if n > 0 && size <= fence {
			if _, head, ok = w.headerAt(at + fence); w.main {
				return ok && size == fence && head&^7 == fence
			}
			return size == 0 && at+fence == w.End || size == fence && at+2*fence == w.End
		}
		if !w.plausible(at, head) || n < limited && size > most {
			return false
		}
		at, prev, flags = at+size, size, head
	}
	return true
}

// headerAt returns a header in the window or outside of it.
func (w *walk) headerAt(at uint64) (before, head uint64, ok bool) {
	if w.win.holds(at) {
		return w.win.words(at)
	}
	if !w.far.holds(at) {
		if w.left < pageSize {
			return 0, 0, false
		}
		w.left -= pageSize
		w.far.fill(at, at+header)
	}
	return w.far.words(at)
}
