package graph

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// Pointers come back as they were added, of every block, in any order.
func TestEdges(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 9))
		blocks := 1 + r.IntN(30000)
		e := newEdges(blocks, 1<<30)
		want := make([][]uint32, blocks)
		n := 0
		for i := 0; i < blocks; i += 1 + r.IntN(3) {
			e.begin(i)
			for range []int{0, 0, 1, 1, 2, 5, 200, 3 * r.IntN(100*r.IntN(40)+1)}[r.IntN(8)] {
				to := uint32(r.IntN(blocks))
				if r.IntN(2) == 0 {
					to = uint32(max(i+r.IntN(40)-20, 0)) // it may be that of the pointer before
				}
				if r.IntN(1000) == 0 {
					to = 1<<31 - 1 - uint32(r.IntN(3))
				}
				if had := want[i]; len(had) == 0 || had[len(had)-1] != to {
					want[i] = append(had, to)
					n++
				}
				e.add(to)
			}
		}
		e.finish(blocks)
		if e.n != n || e.full {
			t.Fatalf("seed %d: %d pointers, want %d, %v", seed, e.n, n, e.full)
		}
		for _, i := range r.Perm(blocks)[:min(blocks, 5000)] {
			var got []uint32
			e.of(uint32(i), func(to uint32) bool {
				got = append(got, to)
				return true
			})
			if !slices.Equal(got, want[i]) {
				t.Fatalf("seed %d: block %d of %d has %v, want %v", seed, i, blocks, got, want[i])
			}
			first := 0
			e.of(uint32(i), func(uint32) bool { first++; return false })
			if first != min(len(got), 1) {
				t.Fatalf("block %d: not ended", i)
			}
		}
	}
}

// A frontier gives back each node once, few or many, and nothing once that is ended.
func TestFrontier(t *testing.T) {
	const blocks = 5 * fewNodes
	f := newFrontier(blocks)
	for _, n := range []int{0, 10, fewNodes, 4 * fewNodes, 100} {
		seen := make(map[uint32]bool)
		for i := range n {
			f.add(uint32(blocks - 1 - i))
		}
		f.add(blocks + 7) // one that came late
		f.drain(func(node uint32) bool {
			if seen[node] {
				t.Errorf("%d comes again", node)
			}
			seen[node] = true
			return true
		})
		if len(seen) != n+1 || !seen[blocks+7] || !f.empty() {
			t.Errorf("%d nodes, want %d", len(seen), n+1)
		}
	}
	for i := range 3 * fewNodes {
		f.add(uint32(i))
	}
	f.drain(func(node uint32) bool { return node < 100 })
	f.drain(func(node uint32) bool {
		t.Errorf("%d is left", node)
		return true
	})
}

// What would take more memory than it may is an error, and what just fits is not.
func TestMemory(t *testing.T) {
	for _, tc := range []struct {
		name  string
		most  uint64
		held  bool
		fails bool
	}{
		{"pointers", partBytes / 2, true, false},
		{"unreachable blocks", 400*lostBytes - 1, false, true},
		{"unreachable blocks that fit", 400 * lostBytes, false, false},
		{"no bound", 0, false, false},
	} {
		m := newMemory(t, 64<<10)
		list := m.chain(400, 40)
		if tc.held {
			m.root(Global, "list", false, list[0])
		}
		c := m.census()
		_, err := build(context.Background(), Config{Walker: m, MaxBytes: tc.most}, c, c.Heaps, func(*Graph) []area { return m.areas })
		if errors.Is(err, ErrMemory) != tc.fails {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	e := newEdges(10, partBytes)
	e.begin(3)
	for i := range 2 * partBytes {
		e.add(uint32(i * 1000 % 7919))
	}
	if !e.full {
		t.Errorf("%d pointers fit into %d bytes", e.n, partBytes)
	}
}
