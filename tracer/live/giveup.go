package live

import (
	"math"

	"memtrace/tracer/event"
)

// GivenUp is the ID of a process's stacks that were given up, for want of memory. What
// they hold, and what was counted of them, is summed up under it.
const GivenUp = event.StackID(math.MaxUint64)

// GiveUps counts the stacks that were given up: those that held something, and the
// others, of which nothing is forgotten but their totals and addresses. A stack that
// comes back and is given up again counts again.
type GiveUps struct{ Holding, Empty uint64 }

// Plus returns the sum of both.
func (g GiveUps) Plus(o GiveUps) GiveUps { return GiveUps{g.Holding + o.Holding, g.Empty + o.Empty} }

// Count counts the stack of an account.
func (g *GiveUps) Count(a *Account) {
	if a.Bytes > 0 || a.Blocks > 0 {
		g.Holding++
	} else {
		g.Empty++
	}
}

// Candidate is a stack that may be given up.
type Candidate struct {
	// Index is the caller's.
	Index uint32
	// bytes is what it holds, used a time that grows with that of its last allocation.
	bytes, used uint64
}

// Candidate makes one of an account.
func (a *Account) Candidate(index uint32) Candidate {
	return NewCandidate(index, max(a.Bytes, a.Blocks), a.recent.Newest())
}

// NewCandidate makes one of a stack that holds so many bytes and was last used at a time
// of any unit.
func NewCandidate(index uint32, bytes, used uint64) Candidate { return Candidate{index, bytes, used} }

// before says which of two is given up first.
func (c *Candidate) before(o *Candidate) bool {
	switch {
	case c.bytes != o.bytes:
		return c.bytes < o.bytes
	case c.used != o.used:
		return c.used < o.used
	}
	return c.Index < o.Index
}

// ChooseGivenUp returns those of the candidates, which it reorders, that are to be given
// up: those that hold the fewest bytes, of equal ones those that have not allocated for
// longest. It takes those that hold nothing, but at most half of all, and where these are
// few a quarter of all.
func ChooseGivenUp(all []Candidate) []Candidate {
	empty := 0
	for i := range all {
		if all[i].bytes == 0 {
			empty++
		}
	}
	quarter := (len(all) + 3) / 4
	n := min(max(empty, quarter), 2*quarter, len(all))
	partition(all, n)
	return all[:n]
}

// partition puts the first n in the order of before to the front (quickselect). No two
// are equal.
func partition(all []Candidate, n int) {
	for len(all) > 1 && n > 0 && n < len(all) {
		pivot := all[len(all)/2]
		i, j := 0, len(all)-1
		for i <= j {
			for all[i].before(&pivot) {
				i++
			}
			for pivot.before(&all[j]) {
				j--
			}
			if i <= j {
				all[i], all[j] = all[j], all[i]
				i++
				j--
			}
		}
		// What is up to j is not behind the pivot, what is from i on not before it.
		switch {
		case n <= j:
			all = all[:j+1]
		case n >= i:
			all, n = all[i:], n-i
		default:
			return
		}
	}
}

// Absorb adds what another account has counted and holds, at time now (ns). All accounts
// must be of one clock.
func (a *Account) Absorb(now uint64, o *Account) {
	a.Grow(now, o.Bytes)
	a.Blocks += o.Blocks
	a.AllocatedBytes += o.AllocatedBytes
	a.AllocatedBlocks += o.AllocatedBlocks
	a.DroppedBlocks += o.DroppedBlocks
	a.recent.Merge(&o.recent)
}
