package live

import "math"

// OldFree is the frees, since the trace began, of blocks that are older than the trace and have
// chunks of one size.
type OldFree struct {
	// Chunk is the size of each chunk in bytes, headers included; 0 stands for all sizes that
	// there were too many of to be told apart.
	Chunk uint64
	// Blocks is the number of frees, Bytes that of the chunks' bytes.
	Blocks, Bytes uint64
	// BytesPerSecond is how fast Bytes grows.
	BytesPerSecond float64
}

// oldChunks is a chunk size that old blocks had.
type oldChunks struct {
	// bytes is the size, freed the number of old blocks that were freed, and outstanding that
	// of new blocks.
	bytes, freed, outstanding uint64
}

// A cache that replaces its entries frees old blocks and allocates new ones of the same size.
// What it holds has not grown, although all that was seen of it is outstanding. So as many
// outstanding blocks as old ones of their size were freed count as replaced. Which stack's they
// are cannot be told: all stacks that hold blocks of this size share them by their number. A
// leak whose blocks have the size of a cache's looks smaller by its share.

// Replace makes the census count what takes the place of old blocks. It needs Options.Way, by
// which the chunks of outstanding blocks are known. Call it before Count.
func (c *Census) Replace(old []OldFree) {
	if len(old) == 0 {
		return
	}
	c.old = make(map[uint64]*oldChunks, len(old))
	for i := range old {
		if old[i].Chunk != 0 && old[i].Blocks != 0 {
			c.old[old[i].Chunk] = &oldChunks{bytes: old[i].Chunk, freed: old[i].Blocks}
		}
	}
}

// countOld counts an outstanding block with a chunk of this size.
func (t *Tally) countOld(size *oldChunks) {
	if t.ofOld == nil {
		t.ofOld = make(map[*oldChunks]uint64)
	}
	t.ofOld[size]++
}

// replaced is the tally's share of what replaces old blocks. All blocks must have been counted.
func (t *Tally) replaced() (bytes, blocks uint64) {
	// Shares in steps of 2^-20 have the same sum in whatever order the map gives them.
	const steps = 1 << 20
	var exactBytes, exactBlocks float64
	for size, n := range t.ofOld {
		share := min(math.Floor(steps*float64(size.freed)/float64(size.outstanding)), steps) / steps
		exactBytes += share * float64(n*size.bytes)
		exactBlocks += share * float64(n)
	}
	return uint64(math.Round(exactBytes)), uint64(math.Round(exactBlocks))
}
