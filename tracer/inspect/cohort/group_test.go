package cohort

import (
	"testing"
	"time"

	"memtrace/tracer/inspect/census"
)

// lookAt has a tracker look at so many blocks, each of a size, kind and holder.
func lookAt(tr *Tracker, n int, of func(i int) Key) {
	blocks := make([]census.Block, n)
	for i := range blocks {
		blocks[i] = census.Block{Addr: uint64(i+1) << 12, Size: of(i).Size}
	}
	tr.Add(Look{
		At: time.Unix(int64(10*tr.Looks()), 0), Blocks: census.NewBlocks(blocks),
		Hashes: census.NewHashes(n, func(int) uint32 { return 1 }), Kind: func(i int) uint32 { return of(i).Kind }, Holder: func(i int) int32 { return of(i).Holder },
	})
}

// Groups beyond a bound are added up, whatever a process makes up, also those of too many holders.
func TestManyHolders(t *testing.T) {
	tr := New()
	const n = 1<<16 + 100
	for range 2 {
		lookAt(tr, n, func(i int) Key { return Key{Size: uint64(i%4000 + 1), Kind: uint32(i), Holder: Mixed} })
	}
	var sum uint64
	for _, g := range tr.Groups() {
		sum += g.Blocks
		if g.Kind != 0 || g.Size&(g.Size-1) != 0 {
			t.Fatalf("%+v", g)
		}
	}
	if len(tr.groups) > 64 || sum != n {
		t.Errorf("%d groups of %d blocks", len(tr.groups), sum)
	}
}

// Where threads come and go, the numbers of their groups are used again, and a leak keeps its own.
func TestGiveUp(t *testing.T) {
	tr := New()
	const threads = 3000
	for look := range 30 {
		if tr.Crowded() {
			if used := tr.GiveUp(); !used[1] || !used[int32(look*threads+1)] || used[2+threads/2] {
				t.Fatalf("look %d: of %d holders", look, len(used))
			}
		}
		lookAt(tr, threads+5*look, func(i int) Key {
			if i < threads {
				return Key{Size: 40, Holder: int32(2 + look*threads + i)}
			}
			return Key{Size: 88, Holder: 1}
		})
	}
	if len(tr.groups) > MostGroups || len(tr.numbers)+len(tr.free) != len(tr.groups) {
		t.Errorf("%d groups, %d in use, %d free", len(tr.groups), len(tr.numbers), len(tr.free))
	}
	for _, g := range tr.Groups() {
		if g.Holder == Mixed {
			t.Errorf("%+v", g)
		}
	}
	if g := of(tr, 88, 1); g.Class != Steady || g.Came != 5*28 {
		t.Errorf("the leak: %+v", g)
	}
}

// Blocks that come out of the group of what there are too many groups of, or into it, have not come
// again.
func TestMerged(t *testing.T) {
	own := func(i int) Key { return Key{Size: 136, Kind: uint32(i % 10), Holder: 1} }
	merged := func(i int) Key { return Key{Size: 136, Kind: uint32(i % 10), Holder: Mixed} }
	for _, first := range []bool{true, false} {
		tr := New()
		for look := range 8 {
			// Each look a tenth more goes over.
			lookAt(tr, 1000, func(i int) Key {
				if (i%10 < look) == first {
					return own(i)
				}
				return merged(i)
			})
		}
		for _, g := range tr.Growth() {
			if g.Came > 0 || g.Class == Steady {
				t.Errorf("%v: %+v", first, g)
			}
		}
	}
}
