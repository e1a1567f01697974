package graph

import (
	"errors"
	"fmt"
	"slices"

	"memtrace/tracer/inspect/census"
	"memtrace/tracer/inspect/kinds"
)

var (
	// ErrNoBlock means that an address is in no block of the census.
	ErrNoBlock = errors.New("not in a block in use")
	// ErrNotHeld means that nothing points to a block.
	ErrNotHeld = errors.New("nobody points at it")
	// ErrNoPaths means that paths were not kept (Config.NoPaths).
	ErrNoPaths = errors.New("paths were not kept")
)

// Step is a part of a path: the root, which comes first, or a block.
type Step struct {
	// Root is set for the first step only, which has no block.
	Root  *Root
	Block census.Block
	Kind  kinds.ID
	// Late: the block came after the census.
	Late bool
	// Omitted is how many blocks between the step before and this one are not listed.
	Omitted int
}

// maxSteps is the most steps at each end of a path.
const maxSteps = 1000

// Why returns one path from a root to the block that an address points to, as short as any from its
// root. A long path lacks its middle. The error wraps ErrNoBlock or ErrNotHeld.
func (g *Graph) Why(addr uint64) ([]Step, error) {
	block := g.Census.Blocks.Find(addr)
	if block < 0 || block >= len(g.holder) {
		return nil, fmt.Errorf("%#x: %w", addr, ErrNoBlock)
	}
	holder := g.HolderOf(block)
	if holder < 0 {
		return nil, fmt.Errorf("%#x: %w", addr, ErrNotHeld)
	}
	if g.parent == nil {
		return nil, fmt.Errorf("%#x: %w", addr, ErrNoPaths)
	}
	var path []uint32 // from the block to the root
	for node := uint32(block); len(path) <= len(g.parent)+len(g.late); {
		path = append(path, node)
		parent := g.parentOf(node)
		if parent == node {
			break
		}
		node = parent
	}
	slices.Reverse(path)
	steps := []Step{{Root: &g.Roots[holder]}}
	for i := 0; i < len(path); i++ {
		omitted := 0
		if i == maxSteps && len(path) > 2*maxSteps {
			omitted = len(path) - 2*maxSteps
			i += omitted
		}
		step := g.step(path[i])
		step.Omitted = omitted
		steps = append(steps, step)
	}
	return steps, nil
}

func (g *Graph) parentOf(node uint32) uint32 {
	if n := uint32(len(g.parent)); node >= n {
		return g.late[node-n].parent
	}
	return g.parent[node]
}

func (g *Graph) step(node uint32) Step {
	if n := uint32(len(g.parent)); node >= n {
		return Step{Block: g.late[node-n].Block, Late: true}
	}
	return Step{Block: g.Census.Blocks.At(int(node)), Kind: g.KindOf(int(node))}
}
