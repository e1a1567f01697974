package graph

import (
	"encoding/binary"
	"os"
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
	if len(l.tried) >= l.limits.tries || len(g.late) >= l.limits.late {
		l.cut = true
		return none
	}
	node := none
	// A block so large that it wraps around is none.
	if b, ok := l.walker.Now(l.census, word); ok && word-b.Addr <= b.Size && b.Addr+b.Size >= b.Addr {
		known, ok := l.byAddr[b.Addr]
		if !ok {
			known = uint32(len(g.holder) + len(g.late))
			g.late = append(g.late, lateBlock{Block: b, holder: -1})
			l.byAddr[b.Addr] = known
		}
		node = known
	}
	l.tried[word] = node
	return node
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
