package live

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/trend"
)

func TestChooseGivenUp(t *testing.T) {
	const empty, few, many = 0, 16, 4096
	tests := map[string]struct {
		bytes []uint64 // of candidates, least recently used first
		want  []uint32
	}{
		"none":                               {nil, nil},
		"one":                                {[]uint64{many}, []uint32{0}},
		"the empty ones, if they are enough": {[]uint64{many, empty, many, empty, few, empty, few}, []uint32{5, 3, 1}},
		"not more than half":                 {[]uint64{empty, empty, empty, many}, []uint32{2, 1}},
		"the smallest beside":                {[]uint64{few, few, few, many, few, many, many, empty}, []uint32{7, 4}},
		"the oldest of equals":               {[]uint64{few, few, few, few, few, few, few, few}, []uint32{7, 6}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var all []Candidate
			for i, bytes := range tt.bytes {
				all = append(all, NewCandidate(uint32(i), bytes, uint64(100-i)))
			}
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			var got []uint32
			for _, c := range ChooseGivenUp(all) {
				got = append(got, c.Index)
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever the candidates, the chosen ones come before the others.
func TestChooseGivenUpOfMany(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 307 {
		all := make([]Candidate, r.IntN(200))
		for i := range all {
			all[i] = NewCandidate(uint32(i), r.Uint64N(1+r.Uint64N(9)), r.Uint64N(4))
		}
		n := len(ChooseGivenUp(all))
		if n < len(all)/4 || n > (len(all)+3)/2 {
			t.Fatalf("%d of %d chosen", n, len(all))
		}
		for i := range all[:n] {
			for j := range all[n:] {
				if all[n+j].before(&all[i]) {
					t.Fatalf("%+v was chosen, %+v was not", all[i], all[n+j])
				}
			}
		}
	}
}

// An account that absorbs another is the same as if it had counted everything itself.
func TestAbsorb(t *testing.T) {
	clock := trend.NewClock(400 * time.Millisecond)
	r := rand.New(rand.NewPCG(1, 2))
	for range 101 {
		var a, b, both Account
		now := uint64(0)
		for range r.IntN(40) {
			now += r.Uint64N(100) * ms
			one := &a
			if r.IntN(2) == 0 {
				one = &b
			}
			size := r.Uint64N(100)
			for _, x := range []*Account{one, &both} {
				x.Allocate(&clock, now, size)
				if size%3 == 0 {
					x.Drop(&clock, now)
				} else {
					x.Grow(now, size)
					x.Blocks++
				}
			}
		}
		a.Absorb(now, &b)
		bucket, _ := clock.Boundary(now, 300*time.Millisecond)
		if a.Bytes != both.Bytes || a.Blocks != both.Blocks || a.AllocatedBytes != both.AllocatedBytes ||
			a.AllocatedBlocks != both.AllocatedBlocks || a.DroppedBlocks != both.DroppedBlocks ||
			a.recent.Since(bucket) != both.recent.Since(bucket) {
			t.Fatalf("%+v\nwant %+v", a, both)
		}
	}
}
