package live

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLargest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, limit := range []int{0, 1, 2, 7, 100, 1000} {
		for _, n := range []int{0, 1, 7, 14, 613} {
			t.Run(fmt.Sprintf("%d of %d", limit, n), func(t *testing.T) {
				var all []Block
				var l largest
				for i := range n {
					// Few sizes, so that addresses decide, too.
					b := Block{Address: uint64(r.IntN(n))<<20 + uint64(i), Bytes: uint64(r.IntN(5))}
					all = append(all, b)
					l.add(b, limit)
					if limit > 0 && len(l.list) >= 2*limit {
						t.Fatalf("%d blocks are kept", len(l.list))
					}
				}
				slices.SortFunc(all, order)
				if limit > 0 && limit < n {
					all = all[:limit]
				}
				if diff := cmp.Diff(all, l.cut(limit)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}
