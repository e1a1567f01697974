package graph

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
)

// marking follows pointers from the roots, one place after another. What is reached first is held by
// that root.
type marking struct {
	ctx    context.Context
	g      *Graph
	index  *index
	scan   *scan
	walker Walker
	late   *newcomers
	buf    []byte
	// seam has the last bytes before behind and room for the first bytes there.
	seam   [14]byte
	behind uint64

	// weak are words that were postponed, until final is set.
	weak  []weakWord
	final bool

	// root is the index in Roots of the root that [from, to) belongs to, -1 if it has none yet.
	root     int32
	from, to uint64
	// roots has the indexes of all roots: a variable may be in several areas.
	roots map[Root]int32
	// now are the nodes that were reached with so many steps, and next those with one more.
	now, next *frontier
	// children is how many blocks the current node was the first to reach.
	children uint32
}

// holding is what is counted of a root.
type holding struct {
	blocks, bytes uint64
	// depth is the longest of the shortest paths to its blocks.
	depth uint32
	// direct is how many blocks its own words reach first, fanned how many are reached through
	// blocks that reach at least wide of them, its own words included.
	direct, fanned uint64
	// fan is the most blocks that one block reaches, which is fanNode, none if that is the root.
	fan     uint32
	fanNode uint32
	// links and sampled say how many of a sample of blocks point to others of their kind.
	links, sampled uint64
	// from and to are where the root is, of variables.
	from, to uint64
	// slots is the widest block, or the root itself.
	slots Slots
	// holes: the widest block has pointers with gaps in between, as hash tables have.
	holes bool
}

// maxRoots bounds the roots that are told apart. Of those that come later, all of a class are one.
const maxRoots = math.MaxUint16 - 2*int(Epoll)

func newMarking(ctx context.Context, g *Graph, x *index, s *scan, cfg Config) *marking {
	n := s.blocks
	g.holder = make([]uint16, n)
	if !cfg.NoPaths {
		g.parent = make([]uint32, n)
	}
	return &marking{
		now: newFrontier(n), next: newFrontier(n),
		ctx: ctx, g: g, index: x, scan: s, walker: cfg.Walker, root: -1, roots: make(map[Root]int32),
		late: newNewcomers(cfg.Walker, g.Census, cfg.limits), buf: make([]byte, 256<<10),
	}
}

// look takes the words of an area for pointers.
func (m *marking) look(a *area) {
	defer m.follow()
	m.root, m.from, m.to = -1, 0, 0
	for i, word := range a.words {
		m.word(a, uint64(i), word)
	}
	if a.words != nil {
		return
	}
	start := a.start
	if !a.odd {
		start &^= 7 // variables may begin in the middle of a word
	}
	readThere(m.walker, start, a.end, m.buf, func(addr uint64, piece []byte) {
		if !a.odd {
			for off := 0; off+8 <= len(piece); off += 8 {
				m.word(a, addr+uint64(off), binary.LittleEndian.Uint64(piece[off:]))
			}
			return
		}
		m.bytes(a, addr, piece)
	})
}

// bytes takes the words at all addresses of a piece, and those that begin in the piece before it.
func (m *marking) bytes(a *area, addr uint64, piece []byte) {
	const most = 7 // bytes of a word in the piece before
	if addr == m.behind && len(piece) >= most {
		copy(m.seam[most:], piece)
		for off := range most {
			m.word(a, addr-most+uint64(off), binary.LittleEndian.Uint64(m.seam[off:]))
		}
	}
	for off := 0; off+8 <= len(piece); off++ {
		m.word(a, addr+uint64(off), binary.LittleEndian.Uint64(piece[off:]))
	}
	if m.behind = 0; len(piece) >= most {
		copy(m.seam[:most], piece[len(piece)-most:])
		m.behind = addr + uint64(len(piece))
	}
}

// word takes a word at an address of an area.
func (m *marking) word(a *area, addr, word uint64) {
	if word-m.index.low > m.index.high-m.index.low {
		return
	}
	node := m.target(word)
	if node == none || m.reached(node) || m.postponed(a, addr, word, node) {
		return
	}
	m.rootAt(a, addr)
	m.reach(node, node)
	m.g.held[m.root].direct++
}

// weakWord is a root's word that points one past the end of a block.
type weakWord struct {
	area       area
	addr, word uint64
}

// maxWeak bounds the words that are postponed.
const maxWeak = 1 << 16

// postponed puts a word off until all roots were looked at if it points one past the end of a block.
// What follows a mapped block is often another mapping, which the word is meant for: a thread's
// descriptor has the address of its stack.
func (m *marking) postponed(a *area, addr, word uint64, node uint32) bool {
	if n := uint32(len(m.g.holder)); node >= n || m.final || len(m.weak) >= maxWeak {
		return false
	}
	if b := m.g.Census.Blocks.At(int(node)); word != b.Addr+b.Size {
		return false
	}
	m.weak = append(m.weak, weakWord{*a, addr, word})
	return true
}

// follow marks what hangs on the nodes that the words of the current root point to. It goes on from
// all of them at once, which is faster than from one after the other: the processor then waits for
// several words of memory at a time.
func (m *marking) follow() {
	for depth := uint32(1); !m.next.empty(); depth++ {
		m.now, m.next = m.next, m.now
		i := 0
		m.now.drain(func(node uint32) bool {
			if i++; i%checkEvery == 0 && m.ctx.Err() != nil {
				return false
			}
			m.expand(node)
			return true
		})
		if m.ctx.Err() != nil {
			m.next.drain(func(uint32) bool { return false })
			return
		}
		h := &m.g.held[m.root]
		h.depth = max(h.depth, depth)
	}
}

// target returns the node that a word points to.
func (m *marking) target(word uint64) uint32 {
	block, zone := m.index.find(word)
	switch {
	case block >= 0:
		return uint32(block)
	case zone && !m.g.still:
		return m.late.node(m.g, word)
	}
	return none
}

func (m *marking) reached(node uint32) bool {
	if n := uint32(len(m.g.holder)); node >= n {
		return m.g.late[node-n].holder >= 0
	}
	return m.g.holder[node] != 0
}

// rootAt makes the root of an address the current one.
func (m *marking) rootAt(a *area, addr uint64) {
	if m.root >= 0 && addr >= m.from && addr < m.to {
		return
	}
	m.follow()
	var root Root
	root, m.from, m.to = a.name(addr)
	known, ok := m.roots[root]
	if !ok && len(m.g.Roots) >= maxRoots {
		root = Root{Class: a.class, Name: "one of too many"}
		known, ok = m.roots[root]
	}
	if ok {
		m.root = known
		return
	}
	m.root = int32(len(m.g.Roots))
	m.roots[root] = m.root
	m.g.Roots = append(m.g.Roots, root)
	h := holding{fanNode: none}
	if root.Class == Global || root.Class == TLS {
		h.from, h.to = m.from, m.to
	}
	m.g.held = append(m.g.held, h)
}

// reach marks a node that parent points to.
func (m *marking) reach(node, parent uint32) {
	m.next.add(node)
	if n := uint32(len(m.g.holder)); node >= n {
		l := &m.g.late[node-n]
		l.holder, l.parent = m.root, parent
		return
	}
	m.g.holder[node] = uint16(m.root + 1)
	if m.g.parent != nil {
		m.g.parent[node] = parent
	}
	m.children++
}

// expand follows the pointers of a node.
func (m *marking) expand(node uint32) {
	m.children = 0
	follow := func(to uint32) {
		if to != none && !m.reached(to) {
			m.reach(to, node)
		}
	}
	if n := uint32(len(m.g.holder)); node >= n {
		m.late.content(m.g.late[node-n].Block, func(word uint64) {
			if word-m.index.low <= m.index.high-m.index.low {
				follow(m.target(word))
			}
		})
	} else {
		m.scan.edges.of(node, func(to uint32) bool {
			if m.g.holder[to] == 0 {
				m.reach(to, node)
			}
			return true
		})
		for _, l := range m.scan.lateWords(node) {
			follow(m.late.ofBlock(m.g, l.word))
		}
	}
	m.g.held[m.root].fans(node, m.children)
}

// finish is called when all roots were looked at.
func (m *marking) finish() error {
	m.final = true
	for i := range m.weak {
		w := &m.weak[i]
		m.root = -1
		m.word(&w.area, w.addr, w.word)
		m.follow()
	}
	m.g.Late = len(m.g.late)
	if m.late.cut || m.scan.full {
		m.g.skip(0, 0, "more words that point to where no block was than can be looked at: blocks that came since may be missed")
	}
	blocks, lost := m.g.Census.Blocks.Cursor(), uint64(0)
	for i := range m.g.holder {
		b, _ := blocks.Next()
		holder := m.g.HolderOf(i)
		if holder < 0 {
			lost++
			continue
		}
		h := &m.g.held[holder]
		h.blocks++
		h.bytes += b.Size
	}
	m.shapes()
	if lost*lostBytes > m.scan.edges.most {
		return fmt.Errorf("keep %d blocks that nobody points at: %w", lost, ErrMemory)
	}
	m.g.unreached = m.scan.unreached()
	return nil
}

// lostBytes is what an unreachable block takes with some pointers: in the passes so far, of which
// there are two intersections, in this one, and while lost blocks are divided.
const lostBytes = 90
