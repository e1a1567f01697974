package ptmalloc

import "testing"

func TestTaken(t *testing.T) {
	for _, tc := range []struct {
		request uint64
		how     Served
		want    uint64
	}{
		{0, ServedBrk, 32},
		{1, ServedBrk, 32},
		{24, ServedArena, 32},
		{25, ServedBrk, 48},
		{1000, ServedArena, 1008},
		{131072, ServedMmap, 135168},
		{4072, ServedMmap, 4096},
		{4073, ServedMmap, 8192},
	} {
		if got := Taken(tc.request, tc.how); got != tc.want {
			t.Errorf("%d bytes by %v: %d, want %d", tc.request, tc.how, got, tc.want)
		}
	}
}
