package heap

import (
	"math/bits"
	"unsafe"
)

const (
	// segmentLen is the number of entries in a segment, which has 2 KiB.
	segmentLen = 64
	// overhang is the number of entries at the end of a shard that are nobody's home, so that
	// probing need not wrap around. At the highest load it is too short with a probability of
	// e^(-0.9*24). The shard then grows early.
	overhang = 24
	// A shard grows by an eighth when five eighths of the homes are taken: 58 bytes a block at
	// worst. A higher load would save a little memory but cost time, since what counts is how
	// many cache lines a search touches.
	growth           = 8
	loadNum, loadDen = 5, 8
)

type segment [segmentLen]block

// shard is an open-addressing hash table with linear probing. Blocks are in the order of their
// hashes, each at its home (the place that its hash names) or in the first free place behind
// it, so a search ends at the first block with a greater hash. Homes grow with hashes, however
// many homes there are. So a shard can be rebuilt in one sweep and within itself: growing
// needs no second copy and leaves no garbage behind, which is why the entries are in segments.
// The last entry is always empty.
type shard struct {
	segments []*segment
	// n is the number of blocks, limit the number at which the shard grows.
	n, limit int
	// homes is the number of entries that are homes.
	homes uint64
}

// at returns entry i. If it indexed the segment, the compiler would check for nil by reading
// the segment's first entry: one more cache miss in a large table.
func (s *shard) at(i int) *block {
	seg := s.segments[uint(i)/segmentLen]
	return (*block)(unsafe.Add(unsafe.Pointer(seg), uint(i)%segmentLen*uint(unsafe.Sizeof(block{}))))
}

// after returns entry i, given the one before it.
func (s *shard) after(before *block, i int) *block {
	if uint(i)%segmentLen == 0 {
		return s.at(i)
	}
	return (*block)(unsafe.Add(unsafe.Pointer(before), unsafe.Sizeof(block{})))
}

// home returns where a block with hash h belongs. It leaves out the bits that chose the shard,
// which are the same for all of its blocks.
func (s *shard) home(h uint64) int {
	hi, _ := bits.Mul64(h<<shardBits, s.homes)
	return int(hi)
}

func (s *shard) homeOf(b *block) int { return s.home(hash(b.pid, b.addr)) }

// find returns where the block with hash h is, or else where to insert it.
func (s *shard) find(h uint64, pid uint32, addr uint64) (i int, ok bool) {
	i = s.home(h)
	for b := s.at(i); ; b = s.after(b, i) {
		if b.addr == addr && b.pid == pid {
			return i, true
		}
		if b.addr == 0 || hash(b.pid, b.addr) > h {
			return i, false
		}
		i++
	}
}

// look finds a block by its hash without those of others, which is cheaper if it is there.
func (s *shard) look(h uint64, pid uint32, addr uint64) (i int, ok bool) {
	i = s.home(h)
	for b := s.at(i); ; b = s.after(b, i) {
		if b.addr == addr && b.pid == pid {
			return i, true
		}
		if b.addr == 0 {
			return i, false
		}
		i++
	}
}

// insert stores b at i, the place that find returned for it.
func (s *shard) insert(i int, b *block) {
	for s.n >= s.limit || !s.open(i) {
		s.rebuild(len(s.segments)+max(len(s.segments)/growth, 1), nil)
		i, _ = s.find(hash(b.pid, b.addr), b.pid, b.addr)
	}
	*s.at(i) = *b
	s.n++
}

// open frees entry i by moving everything from there to the next free entry up by one. If that
// would take the last entry, it moves nothing and returns false.
func (s *shard) open(i int) bool {
	free := i
	for b := s.at(i); b.addr != 0; b = s.after(b, free) {
		free++
	}
	if free == len(s.segments)*segmentLen-1 {
		return false
	}
	for to := s.at(free); free > i; free-- {
		from := s.at(free - 1)
		*to = *from
		to = from
	}
	return true
}

// remove empties entry i by moving down the blocks behind it that are not at home.
func (s *shard) remove(i int) {
	hole := s.at(i)
	for {
		i++
		b := s.after(hole, i)
		if b.addr == 0 || s.homeOf(b) >= i {
			break
		}
		*hole = *b
		hole = b
	}
	*hole = block{}
	s.n--
}

// rebuild gives the shard at least the given number of segments, and no fewer than it has. It
// removes the blocks for which keep returns false, unless keep is nil. Blocks are first packed
// to the end, then dealt to their places from the front, where none can overtake those still
// packed.
func (s *shard) rebuild(segments int, keep func(*block) bool) {
	first := s.pack(segments, keep)
	for !s.fits(first) {
		first = s.pack(len(s.segments)+1, nil)
	}
	place := 0
	for i := first; i < len(s.segments)*segmentLen; i++ {
		b := s.at(i)
		place = max(place, s.homeOf(b))
		if place != i {
			*s.at(place) = *b
			*b = block{}
		}
		place++
	}
}

// pack adds segments up to the given number, and moves all blocks worth keeping to the end, in
// order. It returns the entry of the first one.
func (s *shard) pack(segments int, keep func(*block) bool) (first int) {
	old := len(s.segments) * segmentLen
	for len(s.segments) < segments {
		s.segments = append(s.segments, new(segment))
	}
	size := len(s.segments) * segmentLen
	s.homes = uint64(size - overhang)
	s.limit = int(s.homes) * loadNum / loadDen
	first = size
	for i := old - 1; i >= 0; i-- {
		b := s.at(i)
		if b.addr == 0 {
			continue
		}
		if keep != nil && !keep(b) {
			*b = block{}
			continue
		}
		if first--; first != i {
			*s.at(first) = *b
			*b = block{}
		}
	}
	s.n = size - first
	return first
}

// fits reports whether the blocks packed from entry first on find their places before the last
// entry.
func (s *shard) fits(first int) bool {
	size := len(s.segments) * segmentLen
	place := 0
	for i := first; i < size; i++ {
		place = max(place, s.homeOf(s.at(i))) + 1
	}
	return place < size
}
