package census

import (
	"slices"
	"time"
)

const (
	// trailStep is how many chunks are passed from one that is kept to the next, and maxTrail how
	// many are kept.
	trailStep, maxTrail = 64, 1 << 16
	// trailAge is for how long they are kept. A chunk may have become a part of a larger one since, and
	// what is left there of its header leads on to others of that kind.
	trailAge = 100 * time.Millisecond
)

// trail keeps some of the chunks that Now passed behind the blocks of a census, sorted. Without them
// each look at one of many thousand new blocks would pass all before it.
type trail struct {
	of     *Census
	began  time.Time
	chunks []uint64
	// passed are those of the walk that is going on.
	passed []uint64
}

// reset begins a trail for another census, or anew if it is old.
func (t *trail) reset(c *Census) {
	if now := time.Now(); t.of != c || now.Sub(t.began) > trailAge {
		*t = trail{of: c, began: now, chunks: t.chunks[:0], passed: t.passed[:0]}
	}
}

// before returns the last two chunks that are kept before an address, the farther one first. ok is
// false if both are not behind from.
func (t *trail) before(addr, from uint64) (start, check uint64, ok bool) {
	i, _ := slices.BinarySearch(t.chunks, addr)
	if i < 2 || t.chunks[i-2] <= from {
		return 0, 0, false
	}
	return t.chunks[i-2], t.chunks[i-1], true
}

// keep keeps the chunks of a walk that reached its goal.
func (t *trail) keep() {
	for _, chunk := range t.passed {
		if i, found := slices.BinarySearch(t.chunks, chunk); !found && len(t.chunks) < maxTrail {
			t.chunks = slices.Insert(t.chunks, i, chunk)
		}
	}
}

// forget forgets two chunks that may not be there any more.
func (t *trail) forget(chunks ...uint64) {
	for _, chunk := range chunks {
		if i, found := slices.BinarySearch(t.chunks, chunk); found {
			t.chunks = slices.Delete(t.chunks, i, i+1)
		}
	}
}
