package cohort

import (
	"testing"
	"time"
)

// Where each two looks have become one, once and twice, cohorts came when they came, and are as large
// as that; those of the first look stay apart.
func TestHalved(t *testing.T) {
	for _, looks := range []int{63, 64, 65, 100, 130} {
		for burst := 1; burst < looks-2; burst += 5 {
			s, tr := newSimulated(1), New()
			(&cache{size: 56, holder: 1}).fill(s, 300)
			var came time.Time
			var c cache
			for look := range looks {
				switch look {
				case burst:
					came = s.now
					c.size, c.holder = 56, 1
					c.fill(s, 500)
				case looks - 1:
					for _, o := range c.kept[:200] {
						s.release(o)
					}
				}
				s.look(tr)
				s.now = s.now.Add(10 * time.Second)
			}
			g := of(tr, 56, 1)
			if len(g.Cohorts) != 2 || g.Cohorts[0].Stayed != 300 || !g.Cohorts[0].From.IsZero() || !g.Cohorts[0].To.Equal(time.Unix(1e9, 0)) {
				t.Fatalf("%d looks, burst at %d: %+v", looks, burst, g.Cohorts)
			}
			if c := g.Cohorts[1]; c.Came != 500 || c.Stayed != 300 || !c.From.Before(came) || c.To.Before(came) {
				t.Errorf("%d looks, burst at %d: came at %v: %+v", looks, burst, came, c)
			}
			if m := tr.Members([]Growth{g}, 1000)[0]; m.Came != 300 {
				t.Errorf("%d looks, burst at %d: %d are members", looks, burst, m.Came)
			}
		}
	}
}
