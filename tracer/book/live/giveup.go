package live

import (
	"math"

	"memtrace/tracer/event"
)

// GivenUp is the ID under which a process's stacks that were given up, for lack of memory, are
// merged: what they hold, and what was counted of them.
const GivenUp = event.StackID(math.MaxUint64)

// GiveUps counts the stacks that were given up: those that held something, and empty ones, of
// which only their own totals and their addresses are lost. A stack that comes back and is
// given up again counts again.
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
	// Index is the caller's own.
	Index uint32
	// bytes is what the stack holds. used grows with the time of its last allocation.
	bytes, used uint64
}

// Candidate makes a Candidate of an account.
func (a *Account) Candidate(index uint32) Candidate {
	return NewCandidate(index, max(a.Bytes, a.Blocks), a.recent.Newest())
}

// NewCandidate makes a Candidate of a stack that holds so many bytes and was last used at the
// time used, in any unit.
func NewCandidate(index uint32, bytes, used uint64) Candidate { return Candidate{index, bytes, used} }

// before reports whether c is given up before o.
func (c *Candidate) before(o *Candidate) bool {
	switch {
	case c.bytes != o.bytes:
		return c.bytes < o.bytes
	case c.used != o.used:
		return c.used < o.used
	}
	return c.Index < o.Index
}

// ChooseGivenUp returns the candidates to give up, and reorders all. It takes those that hold
// the fewest bytes first, and among equal ones those that have not allocated for longest. It
// takes all that hold nothing, but at least a quarter and at most half of all candidates.
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

// partition moves the first n in the order of before to the front (quickselect). No two are
// equal.
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
		// Up to j nothing comes after the pivot, from i on nothing before it.
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

// Absorb adds what another account has counted and holds, at time now (ns). All accounts must
// use the same clock.
func (a *Account) Absorb(now uint64, o *Account) {
	a.Grow(now, o.Bytes)
	a.Blocks += o.Blocks
	a.AllocatedBytes += o.AllocatedBytes
	a.AllocatedBlocks += o.AllocatedBlocks
	a.DroppedBlocks += o.DroppedBlocks
	a.recent.Merge(&o.recent)
}
