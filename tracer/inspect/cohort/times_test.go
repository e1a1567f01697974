package cohort

import (
	"slices"
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

// What grows at the end of a heap is listed at the end of each look, and the first look takes longest. The
// limits hold the true rate all the same, and those of looks that take no time are not wider.
func TestWithin(t *testing.T) {
	for _, looks := range []int{4, 70} {
		s, tr := newSimulated(1), New()
		l := &leak{size: 136, holder: 2, rate: 300}
		for look := range looks {
			s.within = 100 * time.Millisecond
			if look == 0 {
				s.within = time.Second
			}
			s.look(tr)
			for range 10 {
				l.second(s)
				s.now = s.now.Add(time.Second)
			}
		}
		g := of(tr, 136, 2)
		if rate := 60 * l.rate; g.Low > rate || g.High < rate {
			t.Errorf("%d looks: %.0f a minute are taken for %.0f [%.0f - %.0f]", looks, rate, g.PerMinute, g.Low, g.High)
		}
		clear(tr.within)
		if still := of(tr, 136, 2); still.Low <= g.Low || still.High >= g.High || still.PerMinute != g.PerMinute {
			t.Errorf("%d looks: [%.0f - %.0f] if they took no time, else [%.0f - %.0f]", looks, still.Low, still.High, g.Low, g.High)
		}
	}
}

// A cache that is full is no leak, and does not grow, however looks are spaced: what it got is counted
// over another time than what it lost. A leak beside it is found.
func TestUneven(t *testing.T) {
	for _, at := range [][]int{{0, 43, 53}, {0, 30, 40}, {0, 10, 53}, {0, 43, 53, 63, 73, 83}, {0, 10, 20, 63, 106, 116}} {
		held := 0
		for seed := range uint64(20) {
			s, tr := newSimulated(seed), New()
			parts := []part{
				(&cache{size: 152, holder: 4, rate: 20}).fill(s, 2000), (&cache{size: 328, holder: 6, rate: 20, oldest: true}).fill(s, 2000),
				&leak{size: 136, holder: 2, rate: 2},
			}
			for second := range at[len(at)-1] + 1 {
				if slices.Contains(at, second) {
					s.look(tr)
				}
				for _, p := range parts {
					p.second(s)
				}
				s.now = s.now.Add(time.Second)
			}
			for _, g := range tr.Growth() {
				if (g.Class == Steady) != (g.Size == 136) {
					t.Errorf("looks at %v, seed %d: %d bytes are %s: %d came, %d left", at, seed, g.Size, g.Class, g.Came, g.Left)
				}
				if g.Size == 328 && g.Low <= 0 && g.High >= 0 {
					held++
				}
			}
		}
		if held < 17 {
			t.Errorf("looks at %v: the limits hold 0 for a cache in %d of 20 runs", at, held)
		}
	}
}

// Of groups that only fluctuate no more are called steady at a look than is claimed, in both ways
// together.
func TestChance(t *testing.T) {
	for _, groups := range []int{1, 10} {
		for n := range uint64(60) {
			wrong := 0.0
			for in := range n + 1 {
				for by := range 2 {
					c := count{by: by, in: in, out: n - in, scale: 1, arrivals: 2, spread: 1}
					if c.steady(groups) {
						wrong += tail(float64(in), float64(n-in), 0.5) - tail(float64(in+1), float64(n-in)-1, 0.5)
					}
				}
			}
			if float64(groups)*wrong > chance {
				t.Errorf("%d groups to which %d blocks come or go: %.4f are steady", groups, n, float64(groups)*wrong)
			}
		}
	}
}
