package heap

import (
	"cmp"
	"math"
	"slices"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// The blocks that the fuzzer makes have 0 to 31 bytes. Traced are those of some sizes only.
const modelMin, modelMax = 1, 1000

// chunkOf makes the size of a freed chunk: none, one that blocks have, one that is not traced
// and one that may not be.
func chunkOf(what byte) uint64 { return []uint64{0, 64, 80, 8192, 32}[what>>4%5] }

// modelWay is the live.Way of the fuzzer's blocks.
func modelWay(_, size uint64, _ event.Flags) (way int, taken uint64) { return 0, 64 + size%3*16 }

// modelOld is the free of an unknown block.
type modelOld struct {
	chunk uint64
	// failed: it was a realloc, which left the block.
	failed bool
}

func (m *model) freeUnknown(pid uint32, chunk uint64) *modelOld {
	p := m.proc(pid)
	p.UnknownFree++
	old := &modelOld{chunk: chunk}
	p.olds = append(p.olds, old)
	return old
}

// old returns the frees of old blocks, of which as many are in doubt as were dropped, and one
// more.
func (p *modelProcess) old() (old []live.OldFree, unsized uint64) {
	counts := map[uint64]uint64{}
	var all uint64
	for _, o := range p.olds {
		switch {
		case o.failed:
		case o.chunk == 64, o.chunk == 80:
			counts[o.chunk]++
			all++
		case o.chunk == 0, o.chunk == 32:
			unsized++
		}
	}
	doubtful := min(1+p.Dropped.Blocks, all)
	certain := 1 - float64(doubtful)/float64(all)
	for chunk, n := range counts {
		if doubtful < all {
			of := func(n uint64) uint64 { return uint64(math.Round(certain * float64(n))) }
			old = append(old, live.OldFree{Chunk: chunk, Blocks: of(n), Bytes: of(n * chunk)})
		}
	}
	slices.SortFunc(old, func(a, b live.OldFree) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Chunk, b.Chunk))
	})
	return old, unsized + doubtful
}

// replace sets what of the stacks replaces old blocks.
func (m *model) replace(snap *Snapshot) {
	outstanding := map[uint64]uint64{}
	for i := range snap.Stacks {
		for _, b := range snap.Stacks[i].BlockList {
			_, taken := modelWay(0, b.Bytes, 0)
			outstanding[taken]++
		}
	}
	for i := range snap.Stacks {
		var bytes, blocks float64
		for _, b := range snap.Stacks[i].BlockList {
			_, taken := modelWay(0, b.Bytes, 0)
			for _, o := range snap.Old {
				if o.Chunk == taken {
					share := math.Floor(min(1, float64(o.Blocks)/float64(outstanding[taken]))*(1<<20)) / (1 << 20)
					bytes += share * float64(taken)
					blocks += share
				}
			}
		}
		snap.Stacks[i].ReplacedBytes, snap.Stacks[i].ReplacedBlocks = uint64(math.Round(bytes)), uint64(math.Round(blocks))
	}
}

// giveUp merges a stack with the others that were given up.
func (m *model) giveUp(key live.Key) {
	given := &m.proc(key.PID).GivenUp
	holding := uint64(0)
	for _, b := range m.blocks {
		if b.pid != key.PID || b.stack != key.ID {
			continue
		}
		b.stack = live.GivenUp
		if b.state == isLive {
			holding = 1
		}
	}
	given.Holding += holding
	given.Empty += 1 - holding
}
