package heap

import (
	"math/bits"
	"unsafe"

	"memtrace/tracer/event"
)

// The table of live blocks is 128 open-addressing hash tables (shard.go), so that none of them
// takes long to grow. At a million live blocks, one growth moves ten thousand blocks and takes
// some 100 µs.
const (
	shardBits = 7
	numShards = 1 << shardBits
)

// block is a live block, and an entry of the table; addr is 0 in an empty entry. The fields
// are as wide as those of the events, so addresses above 48 bits (LA57), blocks above 4 GiB
// and times in nanoseconds need no escape hatch. The 32 bytes are affordable because the table
// grows in place, by an eighth at a time; one that doubles could not afford more than 24.
type block struct {
	addr   uint64
	extent extent
	// time is when the allocation returned, ns.
	time   uint64
	origin origin
	pid    uint32
}

func (b *block) size() uint64 { return uint64(b.extent >> slotBits) }

// extent packs the size of a block and, in the low bits, the slot of the thread that allocated
// it. No address space has room for a block of 2^48 bytes.
type extent uint64

const (
	slotBits = 16
	maxSize  = 1<<(64-slotBits) - 1
)

func extentOf(size uint64, by slot) extent { return extent(size)<<slotBits | extent(by) }

func (e extent) slot() slot { return slot(e) }

// origin packs the index of a block's stack and, in the low bits, the flags of glibc's chunk.
type origin uint32

const (
	chunkBits  = 2
	chunkFlags = event.ChunkMmapped | event.ChunkArena
)

func originOf(stack uint32, flags event.Flags) origin {
	return origin(stack)<<chunkBits | origin(flags&chunkFlags/event.ChunkMmapped)
}

func (o origin) stack() uint32 { return uint32(o >> chunkBits) }

// chunk returns the event flags of the chunk.
func (o origin) chunk() event.Flags {
	return event.Flags(o&(1<<chunkBits-1)) * event.ChunkMmapped
}

// table is the live blocks, found by pid and address.
type table struct {
	shards *[numShards]shard
}

func newTable() table {
	t := table{shards: new([numShards]shard)}
	for i := range t.shards {
		t.shards[i].rebuild(1, nil)
	}
	return t
}

// hash spreads blocks evenly over 64 bits. It takes two multiplications, because a single one
// maps the equally spaced addresses of an arena to equally spaced hashes, and an unlucky
// spacing makes those pile up.
func hash(pid uint32, addr uint64) uint64 {
	hi, lo := bits.Mul64(addr^0x9e3779b97f4a7c15, uint64(pid)^0xd6e8feb86659fd93)
	return (hi ^ lo) * 0xff51afd7ed558ccd
}

// find returns the shard of a block, the block's place in it, and whether it is there.
func (t *table) find(pid uint32, addr uint64) (s *shard, i int, ok bool) {
	h := hash(pid, addr)
	s = &t.shards[h>>(64-shardBits)]
	i, ok = s.find(h, pid, addr)
	return s, i, ok
}

func (t *table) has(pid uint32, addr uint64) bool {
	_, _, ok := t.find(pid, addr)
	return ok
}

// look is find for a block that is likely to be there. If it is not, i means nothing.
func (t *table) look(pid uint32, addr uint64) (s *shard, i int, ok bool) {
	h := hash(pid, addr)
	s = &t.shards[h>>(64-shardBits)]
	i, ok = s.look(h, pid, addr)
	return s, i, ok
}

// get returns the block at addr.
func (t *table) get(pid uint32, addr uint64) (b block, ok bool) {
	s, i, ok := t.look(pid, addr)
	if ok {
		b = *s.at(i)
	}
	return b, ok
}

// take removes the block at addr and returns it.
func (t *table) take(pid uint32, addr uint64) (b block, ok bool) {
	s, i, ok := t.look(pid, addr)
	if ok {
		b = *s.at(i)
		s.remove(i)
	}
	return b, ok
}

// put stores b, and returns the block that was at its address, if there was one.
func (t *table) put(b *block) (old block, evicted bool) {
	s, i, ok := t.find(b.pid, b.addr)
	if ok {
		old = *s.at(i)
		*s.at(i) = *b
		return old, true
	}
	s.insert(i, b)
	return block{}, false
}

// filter removes the blocks for which keep returns false.
func (t *table) filter(keep func(*block) bool) {
	for i := range t.shards {
		s := &t.shards[i]
		s.rebuild(len(s.segments), keep)
	}
}

// each calls f with every block, in the order of their hashes.
func (t *table) each(f func(*block)) {
	for i := range t.shards {
		for _, seg := range t.shards[i].segments {
			for j := range seg {
				if b := &seg[j]; b.addr != 0 {
					f(b)
				}
			}
		}
	}
}

// len returns the number of blocks.
func (t *table) len() int {
	n := 0
	for i := range t.shards {
		n += t.shards[i].n
	}
	return n
}

func (t *table) memoryBytes() uint64 {
	size := uint64(unsafe.Sizeof(*t.shards))
	for i := range t.shards {
		segs := t.shards[i].segments
		size += uint64(len(segs))*uint64(unsafe.Sizeof(segment{})) +
			uint64(cap(segs))*uint64(unsafe.Sizeof(segs[0]))
	}
	return size
}
