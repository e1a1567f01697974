package sample

import "math"

// half is the first half of the time in which windows were open. It ended at end (ns), and has
// these parts of that time and of all allocations in windows.
type half struct {
	end         uint64
	time, calls float64
}

// halve divides the windows that count and did not begin before begin (ns).
func (c *census) halve(begin uint64) (h half) {
	var time, calls, early, earlyCalls uint64
	var some []*window
	for _, w := range c.counted {
		if w.start >= begin {
			some = append(some, w)
			time += w.length()
			calls += w.calls
		}
	}
	for _, w := range some {
		if early > 0 && early+w.length() > time/2 {
			break
		}
		early += w.length()
		earlyCalls += w.calls
		h.end = w.end
	}
	h.time, h.calls = float64(early)/float64(max(time, 1)), float64(earlyCalls)/float64(max(calls, 1))
	return h
}

// lopsided returns Ageing or Stopped if next to no survivors of a stack come from one half of the
// time in which it was watched. Whether they are too few for chance is told by the length of that
// half and by what was allocated in it: a leak may follow either.
func (c *census) lopsided(a *account, t *tally) (Class, bool) {
	h := c.halved
	if late, _ := c.set.late(a, c.now); late {
		h = c.halve(c.set.windows[a.first].start)
	}
	early, n := 0, int(t.survivors.Blocks)
	t.windows.each(func(window, k int) {
		if c.set.windows[window].end <= h.end {
			early += k
		}
	})
	fewer := func(k int, time, calls float64) bool {
		in := func(k int) int { return int(math.Ceil(float64(k) / t.clump)) }
		return max(binomialAtMost(in(k), in(n), time), binomialAtMost(in(k), in(n), calls)) < doubt
	}
	switch {
	case fewer(early, h.time, h.calls):
		return Ageing, true
	case fewer(n-early, 1-h.time, 1-h.calls):
		return Stopped, true
	}
	return "", false
}
