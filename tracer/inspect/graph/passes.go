package graph

import (
	"cmp"
	"fmt"
	"slices"

	"memtrace/tracer/inspect/census"
	"memtrace/tracer/inspect/kinds"
)

// MinPasses is how many passes over a running process are needed to call a block lost. While a program
// moves pointers about one pass misses some of them; that a block is lost is permanent.
const MinPasses = 3

// Lost is a block that nobody points at, with the blocks that only it leads to.
type Lost struct {
	Root census.Block
	Kind kinds.ID
	// Blocks and Bytes are those that hang on it, itself included. A block that hangs on several
	// counts with one of them.
	Blocks, Bytes uint64
	// Cycle: blocks that nobody else points at point to each other. Root is one of them.
	Cycle bool
	// Certain: in every pass nobody pointed at it, its size and content were the same, and nothing was
	// skipped. If the process ran, the passes have settled; if each is of one moment, one is enough.
	// It is wrong only if the program hides its pointers (see the package's documentation).
	Certain bool
	// Why says what Certain rests on, or is doubtful.
	Why string
}

// Passes intersects the unreachable blocks of several passes over one process. The zero Passes has
// none.
type Passes struct {
	n int
	// left are the blocks that were unreachable in all passes, with the same size and content: their
	// places among those of the last, sorted.
	left []uint32
	// gone is how many the last pass took out of them, and before how many the pass before it did.
	gone, before int
	// moving: some of them are not of one moment.
	moving bool
	// doubt is why nothing is certain, "" if that is not so.
	doubt string
	last  *pass
}

// pass is what is kept of the last one: the blocks that were unreachable in it, with their kinds and
// the pointers between them.
type pass struct {
	unreached
	found []candidate
	// kinds is nil if none has a kind.
	kinds []kinds.ID
}

// candidate is a block that may be lost.
type candidate struct {
	addr, size uint64
	hash       uint32
}

// Add takes one more pass. Nothing of the Graph is kept but what is unreachable in it.
func (p *Passes) Add(g *Graph) {
	now := g.pass()
	if p.n == 0 {
		p.left = make([]uint32, len(now.found))
		for i := range p.left {
			p.left[i] = uint32(i)
		}
	} else {
		had := len(p.left)
		p.left = now.common(p.last, p.left)
		p.before, p.gone = p.gone, had-len(p.left)
	}
	p.n++
	p.moving = p.moving || !g.still
	if p.doubt == "" {
		p.doubt = g.doubt()
	}
	p.last = now
}

// Len is how many passes there were.
func (p *Passes) Len() int { return p.n }

// Enough reports whether there are as many passes as are needed to call blocks lost: one is, if all
// are of one moment.
func (p *Passes) Enough() bool { return p.n >= MinPasses || p.n > 0 && !p.moving }

// Settled reports whether more passes would not change what is lost, as far as the passes so far
// tell. In a program that moves its pointers about, each pass finds most of those blocks held that
// only seemed lost, and about the same part of them as the pass before: Settled means that less than
// half a block is expected to be among the lost ones wrongly. There were at least MinPasses passes.
func (p *Passes) Settled() bool {
	if p.n < MinPasses {
		return false
	}
	return 2*p.gone*p.gone < max(p.before, 1)
}

// pass returns what is kept of the graph.
func (g *Graph) pass() *pass {
	if g.kept != nil {
		return g.kept
	}
	n := len(g.unreached.blocks)
	p := &pass{unreached: g.unreached, found: make([]candidate, 0, n)}
	if g.kind != nil {
		p.kinds = make([]kinds.ID, 0, n)
	}
	for _, i := range g.unreached.blocks {
		b := g.Census.Blocks.At(int(i))
		hash, _ := g.Hash.At(int(i))
		p.found = append(p.found, candidate{b.Addr, b.Size, hash})
		if g.kind != nil {
			p.kinds = append(p.kinds, g.kind[i])
		}
	}
	g.kept = p
	return p
}

// kind returns the kind of a block that was found.
func (p *pass) kind(i uint32) kinds.ID {
	if p.kinds == nil {
		return 0
	}
	return p.kinds[i]
}

// common returns the places of the blocks that are at some places of an earlier pass too. It takes the
// places' memory.
func (p *pass) common(before *pass, places []uint32) (both []uint32) {
	both = places[:0]
	i := 0
	for _, place := range places {
		was := before.found[place]
		for i < len(p.found) && p.found[i].addr < was.addr {
			i++
		}
		if i < len(p.found) && p.found[i] == was {
			both = append(both, uint32(i))
		}
	}
	return both
}

// doubt says why what seems lost in a pass may not be, "" if nothing speaks for that.
func (g *Graph) doubt() string {
	for _, skipped := range [][]census.Skip{g.Skipped, g.Census.Skipped} {
		if len(skipped) > 0 {
			return "not all memory was looked at: " + skipped[0].Why
		}
	}
	return ""
}

// Lost returns the lost blocks that no other lost block leads to, those with the most bytes first.
// It returns none before there are Enough passes.
func (p *Passes) Lost() (list []Lost) {
	p.EachLost(func(l Lost) { list = append(list, l) })
	slices.SortFunc(list, func(a, b Lost) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Blocks, a.Blocks), cmp.Compare(a.Root.Addr, b.Root.Addr))
	})
	return list
}

// EachLost gives what Lost returns, in any order. There may be millions.
func (p *Passes) EachLost(give func(Lost)) {
	if !p.Enough() {
		return
	}
	why := fmt.Sprintf("nobody pointed at it in %d passes, and it never changed", p.n)
	certain := p.doubt == "" && (!p.moving || p.Settled())
	switch {
	case certain && !p.moving:
		why = "nobody pointed at it while the process was stopped"
	case p.doubt != "":
		why = p.doubt
	case !certain:
		why = fmt.Sprintf("the last of %d passes still found %d blocks held that had seemed lost", p.n, p.gone)
	}
	newLosses(p.last, p.left).all(func(l Lost) {
		l.Certain, l.Why = certain, why
		give(l)
	})
}
