package trend

import "testing"

func TestHistory(t *testing.T) {
	var h History[int]
	if got := h.Values(); len(got) != 0 {
		t.Fatalf("an empty history has %v", got)
	}
	for n := range 100_000 {
		h.Add(n)
		if n%977 != 0 && n != 600 && n != 599 && n != 598 {
			continue
		}
		got := h.Values()
		if len(got) > MostMoments || got[0] != 0 || got[len(got)-1] != n {
			t.Fatalf("after %d: %d values from %d to %d", n, len(got), got[0], got[len(got)-1])
		}
		if n > MostMoments && len(got) < MostMoments/2 {
			t.Fatalf("after %d: only %d values", n, len(got))
		}
		step := 0
		for i := range len(got) - 2 {
			if step == 0 {
				step = got[i+1] - got[i]
			}
			if got[i+1]-got[i] != step {
				t.Fatalf("after %d: steps of %d and %d", n, step, got[i+1]-got[i])
			}
		}
	}
}
