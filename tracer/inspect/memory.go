package inspect

import (
	"errors"
	"fmt"

	"memtrace/tracer/inspect/census"
	"memtrace/tracer/report"
)

// ErrMemory means that a heap needs more memory than Config.MaxMemory.
var ErrMemory = errors.New("too many for the memory that is allowed")

// What is kept at most, in bytes. Measured with 10 million blocks in 1 GB: 15 bytes a block, garbage
// included, beside what does not depend on the heap.
const (
	fixedBytes = 32 << 20
	// blockBytes is what a block takes with one or two pointers to others close to it.
	blockBytes = 16
	// pathBytes is what a block takes where paths are kept.
	pathBytes = 5
)

func (l *Looker) perBlock() uint64 {
	if l.cfg.Why != 0 {
		return blockBytes + pathBytes
	}
	return blockBytes
}

// mostBlocks is how many blocks fit into the memory that is allowed, 0 if there is no bound.
func (l *Looker) mostBlocks() int {
	if l.cfg.MaxMemory == 0 {
		return 0
	}
	return max(int((l.cfg.MaxMemory-min(l.cfg.MaxMemory, fixedBytes))/l.perBlock()), 1)
}

// memoryBeside is what is left for pointers beside the blocks, 0 if there is no bound.
func (l *Looker) memoryBeside(c *census.Census) uint64 {
	if l.cfg.MaxMemory == 0 {
		return 0
	}
	const least = 4 << 20
	blocks := fixedBytes + uint64(c.Blocks.Len())*l.perBlock()
	return l.cfg.MaxMemory - min(blocks, l.cfg.MaxMemory) + least
}

// fits returns an error if there are more blocks than may be.
func (l *Looker) fits(c *census.Census) error {
	if most := l.mostBlocks(); most > 0 && c.Blocks.Len() >= most {
		return l.tooLarge(report.Count(uint64(most)) + " blocks and more")
	}
	return nil
}

func (l *Looker) tooLarge(what string) error {
	return fmt.Errorf("process %d (%s) has %s: %w (%s)", l.cfg.PID, l.process.Command, what, ErrMemory, report.Size(l.cfg.MaxMemory))
}
