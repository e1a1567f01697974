package graph

import (
	"context"
	"encoding/binary"
	"os"
	"slices"
	"sort"

	"memtrace/tracer/inspect/census"
)

// limits bound what is done about blocks that came after the census.
type limits struct {
	// late is how many such blocks are followed, and tries how many words are looked at for that.
	late, tries int
	// bytes is how much is read of them.
	bytes uint64
}

// defaultLimits allow for some seconds of work.
var defaultLimits = limits{late: 1 << 18, tries: 1 << 18, bytes: 256 << 20}

// newcomers finds blocks that came after the census.
type newcomers struct {
	walker Walker
	census *census.Census
	// tried are the words that were looked at, with the node they point to, or none.
	tried map[uint64]uint32
	// found are the blocks that words of blocks point to, as far as they were looked at together.
	found map[uint64]census.Block
	// byAddr are the nodes by address.
	byAddr map[uint64]uint32
	limits limits
	read   uint64
	// cut: a limit was reached.
	cut bool
	buf []byte
}

// none is no node.
const none = ^uint32(0)

func newNewcomers(walker Walker, c *census.Census, l limits) *newcomers {
	if l == (limits{}) {
		l = defaultLimits
	}
	return &newcomers{
		limits: l,
		walker: walker, census: c, buf: make([]byte, 64<<10),
		tried: make(map[uint64]uint32), byAddr: make(map[uint64]uint32),
	}
}

// node returns the node of the block that a word points to, and adds it to the graph if it is new.
func (l *newcomers) node(g *Graph, word uint64) uint32 {
	if node, ok := l.tried[word]; ok {
		return node
	}
	if node := l.ofBlock(g, word); node != none {
		return node
	}
	if len(l.tried) >= l.limits.tries {
		l.cut = true
		return none
	}
	node := none
	if b, ok := l.walker.Now(l.census, word); ok {
		node = l.add(g, word, b)
	}
	l.tried[word] = node
	return node
}

// settle looks at the words that blocks were found to have. Most of them point to where a block was freed.
func (l *newcomers) settle(ctx context.Context, words []lateWord) {
	addrs := make([]uint64, len(words))
	for i := range words {
		addrs[i] = words[i].word
	}
	slices.Sort(addrs)
	addrs = slices.Compact(addrs)
	l.found = make(map[uint64]census.Block)
	if !l.walker.Each(ctx, l.census, addrs, func(addr uint64, b census.Block) { l.found[addr] = b }) {
		l.cut = true
	}
}

// ofBlock is node for a word that settle was given. What came to where it points since then, nothing that
// the block had at that time leads to.
func (l *newcomers) ofBlock(g *Graph, word uint64) uint32 {
	if b, ok := l.found[word]; ok {
		return l.add(g, word, b)
	}
	return none
}

// add returns the node of a block that a word points to.
func (l *newcomers) add(g *Graph, word uint64, b census.Block) uint32 {
	if word-b.Addr > b.Size || b.Addr+b.Size < b.Addr { // so large that it wraps around
		return none
	}
	known, ok := l.byAddr[b.Addr]
	if !ok {
		if len(g.late) >= l.limits.late {
			l.cut = true
			return none
		}
		known = uint32(len(g.holder) + len(g.late))
		g.late = append(g.late, lateBlock{Block: b, holder: -1})
		l.byAddr[b.Addr] = known
	}
	return known
}

// content gives the words of a block that came late.
func (l *newcomers) content(b census.Block, give func(word uint64)) {
	size := b.Size
	if left := l.limits.bytes - l.read; size > left {
		size, l.cut = left, true
	}
	l.read += size
	readThere(l.walker, b.Addr, b.Addr+size, l.buf, func(_ uint64, piece []byte) {
		for ; len(piece) >= 8; piece = piece[8:] {
			give(binary.LittleEndian.Uint64(piece))
		}
	})
}

// readThere reads the pages of a range that are there, in pieces that fit buf.
func readThere(walker Walker, start, end uint64, buf []byte, give func(addr uint64, piece []byte)) {
	page := uint64(os.Getpagesize())
	for start < end {
		want := min(end-start, uint64(len(buf)))
		got := walker.Read(start, buf[:want])
		if got <= 0 {
			// Addition would wrap around in the last page.
			start += min(page-start%page, end-start)
			continue
		}
		got = min(got, int(want))
		give(start, buf[:got])
		start += uint64(got)
	}
}

// words returns the words of a block that may point to newcomers.
func (s *scan) lateWords(i uint32) []lateWord {
	if s.hasLate[i/64]>>(i%64)&1 == 0 {
		return nil
	}
	first := sort.Search(len(s.late), func(k int) bool { return s.late[k].from >= i })
	last := first
	for last < len(s.late) && s.late[last].from == i {
		last++
	}
	return s.late[first:last]
}
