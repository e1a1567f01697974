package graph

import (
	"context"
	"errors"
	"fmt"

	"memtrace/tracer/inspect/census"
	"memtrace/tracer/inspect/datasym"
	"memtrace/tracer/inspect/freeze"
	"memtrace/tracer/inspect/kinds"
)

// Walker is what is needed of a census.Walker.
type Walker interface {
	Scan(c *census.Census, visit func(i int, off uint64, content []byte)) error
	Now(c *census.Census, addr uint64) (census.Block, bool)
	Each(ctx context.Context, c *census.Census, addrs []uint64, give func(addr uint64, b census.Block)) (all bool)
	Read(addr uint64, buf []byte) int
}

// Config says what to look at.
type Config struct {
	PID    int
	Walker Walker
	// Kinds names blocks. Without it no block has a kind.
	Kinds *kinds.Namer
	// Symbols names roots. Build refreshes it. Without it Build opens one for itself, which takes
	// as long as reading the symbols of all files.
	Symbols *datasym.Table
	// NoPaths: Graph.Why will not be asked. That saves 4 bytes for each block.
	NoPaths bool
	// MaxBytes bounds what the pointers and the blocks that nobody points at take, in bytes. 0 is 4
	// GB. What needs more fails with an error that wraps ErrMemory.
	MaxBytes uint64
	// Picture is what is looked at in place of the process, if it is set. Walker and Symbols must use
	// it too. Nothing comes after the census then.
	Picture *freeze.Picture
	// Hashed is called with the hashes of blocks from the one with this number on, of
	// census.HashPage blocks at once, in their order, as soon as the contents were read.
	Hashed func(first int, hashes []uint32)

	limits limits
}

// Graph is what holds what, once.
type Graph struct {
	Census *census.Census
	// Hash has, by block, a hash of its content.
	Hash *census.Hashes
	// Roots are those that reach a block, in the order in which they were looked at.
	Roots []Root
	// Late is how many blocks came after the census and were followed.
	Late int
	// Skipped is what was not looked at, beside what the census skipped, and why.
	Skipped []census.Skip

	// Pointers is how many pointers from one block to another were followed.
	Pointers int

	kinds *kinds.Namer
	// still: it is of one moment.
	still bool
	// kind has the kinds of blocks. It is nil if none has a kind.
	kind []kinds.ID
	// holder has, by block, 1 and the index in Roots of what first reached it, 0 if nothing did. It is nil
	// if pointers were not followed.
	holder []uint16
	// unreached are the blocks that nobody points at, and between those the pointers that they have
	// of each other.
	unreached unreached
	// kept is what Passes keep of the graph, nil until one was asked to.
	kept *pass
	// parent has, by block, the node whose pointer reached it first, itself if that was a root. It is nil if
	// paths are not wanted.
	parent []uint32
	// late are blocks that came after the census. Their node is their index and the number of
	// blocks.
	late []lateBlock
	// held has figures by root.
	held []holding
}

// lateBlock is a block that is not in the census.
type lateBlock struct {
	census.Block
	holder int32
	parent uint32
}

// ErrMemory means that following pointers would take more memory than it may.
var ErrMemory = errors.New("more memory is needed than is allowed")

// KindOf returns the kind of a block, 0 if it is not known.
func (g *Graph) KindOf(i int) kinds.ID {
	if g.kind == nil {
		return 0
	}
	return g.kind[i]
}

// HolderOf returns the index in Roots of what first reached a block, -1 if nothing did.
func (g *Graph) HolderOf(i int) int32 { return int32(g.holder[i]) - 1 }

// Read only reads the contents of the blocks of a census, for their hashes and kinds, and follows no
// pointers: where blocks were left out, these say nothing. What else a Graph tells is not to be asked.
func Read(ctx context.Context, cfg Config, c *census.Census) (*Graph, error) {
	if err := cfg.Symbols.Refresh(); err != nil {
		return nil, fmt.Errorf("look for kinds: %w", err)
	}
	if cfg.Kinds != nil {
		cfg.Kinds.Refresh()
	}
	g := &Graph{Census: c, Hash: &census.Hashes{}, kinds: cfg.Kinds}
	return g, g.scan(ctx, newScan(ctx, g, &index{}, cfg), cfg.Walker)
}

// scan reads the blocks.
func (g *Graph) scan(ctx context.Context, s *scan, w Walker) error {
	if err := w.Scan(g.Census, s.visit); err != nil {
		return fmt.Errorf("read blocks: %w", err)
	}
	s.finish()
	return ctx.Err()
}

// maxSkips bounds Skipped.
const maxSkips = 1000

// maxBlocks bounds the blocks of a census, so that nodes have 32-bit numbers.
const maxBlocks = 1<<31 - 1

// Build reads the contents of all blocks of a census once and follows the pointers. It fails if the
// process cannot be looked at, or ctx ends.
func Build(ctx context.Context, cfg Config, c *census.Census) (*Graph, error) {
	symbols := cfg.Symbols
	var err error
	if symbols == nil {
		symbols, err = datasym.Open(cfg.PID)
	} else {
		err = symbols.Refresh()
	}
	if err != nil {
		return nil, fmt.Errorf("look for roots: %w", err)
	}
	s := &process{pid: cfg.PID, walker: cfg.Walker, symbols: symbols, picture: cfg.Picture}
	if cfg.Kinds != nil {
		cfg.Kinds.Refresh()
		s.cpython = cfg.Kinds.CPython()
	}
	return build(ctx, cfg, c, grown(c.Heaps, symbols.Maps), s.areas)
}

// build is Build with the ranges that blocks may be in by now, and with a function that finds the
// places to look for roots in once the blocks are read.
func build(ctx context.Context, cfg Config, c *census.Census, zones []census.Range, areas func(*Graph) []area) (*Graph, error) {
	n := c.Blocks.Len()
	if n > maxBlocks {
		return nil, fmt.Errorf("%d blocks are more than can be followed", n)
	}
	g := &Graph{Census: c, Hash: &census.Hashes{}, kinds: cfg.Kinds, still: cfg.Picture != nil}
	index := newIndex(c.Blocks, zones)
	s := newScan(ctx, g, index, cfg)
	if err := g.scan(ctx, s, cfg.Walker); err != nil {
		return nil, err
	}
	if s.edges.full {
		return nil, fmt.Errorf("follow %d pointers and more: %w", s.edges.n, ErrMemory)
	}
	m := newMarking(ctx, g, index, s, cfg)
	m.late.settle(ctx, s.late)
	for _, a := range areas(g) {
		m.look(&a)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return g, m.finish()
}

// Unreachable returns the indexes of the blocks that nobody points at.
func (g *Graph) Unreachable() (blocks []int32) {
	for _, i := range g.unreached.blocks {
		blocks = append(blocks, int32(i))
	}
	return blocks
}

// skip notes what was not looked at.
func (g *Graph) skip(start, end uint64, why string) {
	if len(g.Skipped) < maxSkips {
		g.Skipped = append(g.Skipped, census.Skip{Range: census.Range{Start: start, End: end}, Why: why})
	}
}
