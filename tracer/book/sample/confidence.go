package sample

import "math"

// hazard is the deaths of old candidates, and how long all of them lived while old, ns.
type hazard struct{ deaths, lived float64 }

func (h hazard) minus(o hazard) hazard { return hazard{h.deaths - o.deaths, h.lived - o.lived} }

// rate is the deaths per nanosecond.
func (h hazard) rate() float64 {
	if h.deaths <= 0 || h.lived <= 0 {
		return 0
	}
	return h.deaths / h.lived
}

// hazard says how a stack's candidates die once they are at least half as old as the windows
// that count, and returns the exact age from which it counts. t may be nil.
func (c *census) hazard(a *account, t *tally) (h hazard, from uint64) {
	deaths, lived, from := a.ages.late(c.maturity / 2)
	h = hazard{float64(deaths), lived}
	if t != nil {
		h.lived += t.ages - float64(t.survivors.Blocks)*float64(from)
	}
	return h, from
}

// activeHazard is hazard with only active candidates among the living. Of the dead it is not
// known which ones were active.
func (c *census) activeHazard(a *account, t *tally) hazard {
	deaths, lived, from := a.ages.late(c.maturity / 2)
	h := hazard{float64(deaths), lived}
	if t != nil {
		h.lived += t.activeAges - float64(t.active.Blocks)*float64(from)
	}
	return h
}

// confidence compares the number of survivors with how many there would be if all the
// candidates that got old died at one rate: the rate at which they did die or, if they are
// active and may be anybody's, the rate of other stacks. What lives for ever cannot be told
// from what lives very long. So the mean lifetime is taken to be at most a quarter of the time
// since the stack's first window, or the greatest age at which a candidate of this stack died, if
// that is longer. It also returns how many candidates of the stack died late.
func (c *census) confidence(a *account, t *tally) (confidence float64, deaths uint64) {
	if t.survivors.Blocks == 0 || c.matured == 0 {
		return 0, 0
	}
	h, from := c.hazard(a, t)
	_, since := c.set.late(a, c.now)
	perNanosecond := max(h.rate(), 1/max(since/4, float64(a.ages.last())))
	if t.mostlyActive() {
		perNanosecond = max(perNanosecond, c.old.minus(c.activeHazard(a, t)).rate())
	}
	part, all := 0.0, 0.0
	for _, e := range c.eras {
		if e.age <= since {
			part += math.Exp(-perNanosecond*(e.age-float64(from))) * e.part
			all += e.part
		}
	}
	if all == 0 {
		return 0, uint64(h.deaths)
	}
	return t.above((h.deaths + float64(t.survivors.Blocks)) * part / all), uint64(h.deaths)
}

// lateStart is the part of the time from which on a stack that was not there before is late.
const lateStart = 0.05

// late reports whether a stack began late, and how long it has been there at the time now, ns.
func (s *Set) late(a *account, now uint64) (late bool, since float64) {
	start := func(window int) uint64 { return min(s.windows[window].start, now) }
	run, since := float64(now-start(0)), float64(now-start(a.first))
	return run-since > lateStart*run, since
}

// above returns the confidence, below 1, that there are more survivors than expected.
// Survivors that came together count once.
func (t *tally) above(expected float64) float64 {
	confidence := 1 - poissonAtLeast(int(math.Round(float64(t.survivors.Blocks)/t.clump)), expected/t.clump)
	return min(confidence, math.Nextafter(1, 0))
}

// discount allows for what active survivors may be: chunks that were freed unseen, then handed
// out for good to another stack, whose leak they are. Per candidate, the stack is expected to
// have uneven times as many of those as the other stacks have, with one more added to theirs.
func (c *census) discount(e *Estimate, a *account, t *tally) {
	n := float64(t.survivors.Blocks)
	expected := uneven * (c.active - float64(t.active.Blocks) + 1) / c.candidates * float64(a.candidates)
	e.Confidence = min(e.Confidence, t.above(expected))
	part := max(1-expected/n, 0)
	e.BytesPerSecond.Low *= part
	e.BlocksPerSecond.Low *= part
}
