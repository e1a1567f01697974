package region

import (
	"testing"
	"time"
)

// Each look at the mappings is kept, and none of another program.
func TestMoments(t *testing.T) {
	f := &fake{}
	snap := watch(t, f, 4, func(i int) { f.maps, f.rss = brkMaps(132*kib*(1+i)), uint64(100*kib*i) })
	if len(snap.Moments) != 5 {
		t.Fatalf("%d moments, want those of 5 looks", len(snap.Moments))
	}
	for i, m := range snap.Moments[:4] {
		if m.Brk != uint64(132*kib*(1+i)) || m.Resident != uint64(100*kib*i) || m.Arena != 0 || m.Mapped != 0 {
			t.Errorf("moment %d: %+v", i, m)
		}
		if i > 0 && m.At.Sub(snap.Moments[i-1].At) != time.Second {
			t.Errorf("moment %d comes %v after the one before", i, m.At.Sub(snap.Moments[i-1].At))
		}
	}
}
