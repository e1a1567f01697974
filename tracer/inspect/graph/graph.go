package graph

import (
	"context"
	"fmt"

	"memtrace/tracer/inspect/census"
	"memtrace/tracer/inspect/datasym"
	"memtrace/tracer/inspect/kinds"
)

// Walker is what is needed of a census.Walker.
type Walker interface {
	Scan(c *census.Census, visit func(i int, off uint64, content []byte)) error
	Now(c *census.Census, addr uint64) (census.Block, bool)
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

	limits limits
}

// Graph is what holds what, once.
type Graph struct {
	Census *census.Census
	// Hash has, by block, a hash of its content.
	Hash []uint32
	// Kind has the kinds of blocks, 0 where it is not known.
	Kind []kinds.ID
	// Holder has, by block, the index in Roots of what first reached it, -1 if nothing did.
	Holder []int32
	// Roots are those that reach a block, in the order in which they were looked at.
	Roots []Root
	// Late is how many blocks came after the census and were followed.
	Late int
	// Skipped is what was not looked at, beside what the census skipped, and why.
	Skipped []census.Skip

	// Pointers is how many pointers from one block to another were followed.
	Pointers int

	kinds *kinds.Namer
	// unreached are the blocks that nobody points at, and between those the pointers that they have
	// of each other.
	unreached unreached
	// parent has, by block, the node whose pointer reached it first, itself if that was a root.
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
	s := &process{pid: cfg.PID, walker: cfg.Walker, symbols: symbols}
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
	g := &Graph{Census: c, kinds: cfg.Kinds}
	index := newIndex(c.Blocks, zones)
	s := newScan(ctx, g, index)
	if err := cfg.Walker.Scan(c, s.visit); err != nil {
		return nil, fmt.Errorf("read blocks: %w", err)
	}
	s.finish()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m := newMarking(ctx, g, index, s, cfg)
	for _, a := range areas(g) {
		m.look(&a)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.finish()
	return g, nil
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
