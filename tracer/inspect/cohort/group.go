package cohort

import (
	"cmp"
	"math/bits"
	"slices"
)

// Key is what blocks of a group have in common.
type Key struct {
	// Size is the least size of a block of the group, in bytes: of sizes up to 1024 every one has
	// groups of its own, and above that of each power of two there are four.
	Size uint64
	// Kind and Holder are numbers that the caller gives. NoHolder is for blocks that nobody holds.
	Kind   uint32
	Holder int32
}

// Mixed is the holder of blocks of which there are too many groups or holders. Their groups have
// all kinds, and sizes from a power of two to the next one.
const Mixed = -1 << 31

// exactSizes is up to which size each has a group of its own.
const exactSizes = 1024

// SizeClass returns the least size of the class that a size is in.
func SizeClass(size uint64) uint64 {
	if size <= exactSizes {
		return size
	}
	shift := bits.Len64(size) - 3
	return size >> shift << shift
}

// flow is what has come to a group and left it at one look.
type flow struct {
	look uint8
	// in are blocks that have settled, out those of the settled that are gone or changed; both by content,
	// and by place.
	in, out [2]uint32
}

// The ways in which a block is told to be the same as before.
const (
	byContent = iota // address, size and content
	byPlace          // address and size, kind and holder
)

// group is the blocks of a Key.
type group struct {
	key Key
	// blocks and bytes are those of the last look; fresh those of them that were not there, or not
	// the same, at the look before.
	blocks, bytes uint64
	fresh         [2]uint64
	flows         []flow
}

// at returns the flow of a look, which is the last or a new one.
func (g *group) at(look uint8) *flow {
	if n := len(g.flows); n == 0 || g.flows[n-1].look != look {
		g.flows = append(g.flows, flow{look: look})
	}
	return &g.flows[len(g.flows)-1]
}

// halve adds up each two looks. What settled at a look came at the one before, and stays with that.
func (g *group) halve() {
	all := g.flows
	g.flows = nil
	for _, f := range all {
		if f.out != [2]uint32{} {
			out := &g.at(halved(f.look)).out
			for by := range f.out {
				out[by] += f.out[by]
			}
		}
		if f.in != [2]uint32{} {
			in := &g.at(halved(f.look-1) + 1).in
			for by := range f.in {
				in[by] += f.in[by]
			}
		}
	}
}

// MostGroups bounds the groups; they are numbered by 16 bits.
const MostGroups = 1 << 14

// merged is the key of the group that has blocks of a key if there are too many groups or holders. It
// has those of sizes from a power of two on to the next one.
func (k Key) merged() Key {
	return Key{Size: 1 << max(bits.Len64(k.Size)-1, 0), Holder: Mixed}
}

// find returns the number of the group of a key.
func (t *Tracker) find(k Key) uint16 {
	slot := &t.cache[(k.Size>>3*0x9e3779b1^uint64(k.Kind)*0x85ebca6b^uint64(uint32(k.Holder))*0xc2b2ae35)>>3%uint64(len(t.cache))]
	if slot.known && slot.key == k {
		return slot.group
	}
	n, ok := t.numbers[k]
	if !ok {
		if own := k.merged(); k != own && (k.Holder == Mixed || len(t.numbers) >= MostGroups) {
			return t.find(own)
		}
		n = t.number(k)
	}
	slot.key, slot.group, slot.known = k, n, true
	return n
}

// number makes a group, and returns its number, which may be one that was given up.
func (t *Tracker) number(k Key) uint16 {
	n := uint16(len(t.groups))
	if last := len(t.free) - 1; last >= 0 {
		n, t.free = t.free[last], t.free[:last]
		t.groups[n] = &group{key: k}
	} else {
		t.groups = append(t.groups, &group{key: k})
	}
	t.numbers[k] = n
	return n
}

// Crowded reports whether half of the groups that there may be are in use.
func (t *Tracker) Crowded() bool { return len(t.numbers) >= MostGroups/2 }

// GiveUp forgets half of the groups without blocks, those to which nothing has happened for longest. It
// returns the holders of all that are left.
func (t *Tracker) GiveUp() map[int32]bool {
	var empty []uint16
	holders := make(map[int32]bool)
	for _, n := range t.numbers {
		if t.groups[n].blocks == 0 {
			empty = append(empty, n)
		}
	}
	slices.SortFunc(empty, func(a, b uint16) int {
		return cmp.Or(cmp.Compare(t.groups[a].active(), t.groups[b].active()), cmp.Compare(a, b))
	})
	for _, n := range empty[:(len(empty)+1)/2] {
		delete(t.numbers, t.groups[n].key)
		t.groups[n] = &group{}
		t.free = append(t.free, n)
	}
	clear(t.cache[:])
	for k := range t.numbers {
		holders[k.Holder] = true
	}
	return holders
}

// active is the last look at which blocks settled or left, 0 if they never did.
func (g *group) active() uint8 {
	if n := len(g.flows); n > 0 {
		return g.flows[n-1].look
	}
	return 0
}
