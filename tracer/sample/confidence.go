package sample

import "math"

// hazard is the deaths of old candidates and how long all of them lived while old, ns.
type hazard struct{ deaths, lived float64 }

func (h hazard) minus(o hazard) hazard { return hazard{h.deaths - o.deaths, h.lived - o.lived} }

// rate is the deaths a nanosecond.
func (h hazard) rate() float64 {
	if h.deaths <= 0 || h.lived <= 0 {
		return 0
	}
	return h.deaths / h.lived
}

// hazard is how the candidates of a stack die once they are half as old as the
// windows that count, and from which age on exactly. t may be nil.
func (c *census) hazard(a *account, t *tally) (h hazard, from uint64) {
	deaths, lived, from := a.ages.late(c.maturity / 2)
	h = hazard{float64(deaths), lived}
	if t != nil {
		h.lived += t.ages - float64(t.survivors.Blocks)*float64(from)
	}
	return h, from
}

// activeHazard is hazard with active candidates alone, as far as they are alive: of
// those that died it is not known.
func (c *census) activeHazard(a *account, t *tally) hazard {
	deaths, lived, from := a.ages.late(c.maturity / 2)
	h := hazard{float64(deaths), lived}
	if t != nil {
		h.lived += t.activeAges - float64(t.active.Blocks)*float64(from)
	}
	return h
}

// confidence compares the number of survivors with what there would be of them if
// all the candidates that got old died at one rate: that at which they did die, or,
// if they are active and may be anybody's, those of other stacks. What lives for
// ever cannot be told from what lives very long, so nothing is taken to live longer,
// on average, than a quarter of the time, or than a death of this stack tells. It
// returns the number of those deaths, too.
func (c *census) confidence(a *account, t *tally) (confidence float64, deaths uint64) {
	if t.survivors.Blocks == 0 || c.matured == 0 {
		return 0, 0
	}
	run := float64(c.now - min(c.set.windows[0].start, c.now))
	h, from := c.hazard(a, t)
	perNanosecond := max(h.rate(), 1/max(run/4, float64(a.ages.last())))
	if t.mostlyActive() {
		perNanosecond = max(perNanosecond, c.late.minus(c.activeHazard(a, t)).rate())
	}
	part := 0.0
	for _, a := range c.eras {
		part += math.Exp(-perNanosecond*(a.age-float64(from))) * a.part
	}
	return t.above((h.deaths + float64(t.survivors.Blocks)) * part), uint64(h.deaths)
}

// above is the confidence that there are more survivors than so many are to be
// expected, below 1. What came together counts once.
func (t *tally) above(expected float64) float64 {
	confidence := 1 - poissonAtLeast(int(math.Round(float64(t.survivors.Blocks)/t.clump)), expected/t.clump)
	return min(confidence, math.Nextafter(1, 0))
}

// discount allows for what active survivors may be: chunks that were freed while
// nobody looked, then handed out for good to another stack, whose leak they are.
// Some times as many of those are expected as there are elsewhere for each candidate,
// and one more.
func (c *census) discount(e *Estimate, a *account, t *tally) {
	n := float64(t.survivors.Blocks)
	expected := uneven * (c.active - float64(t.active.Blocks) + 1) / c.candidates * float64(a.candidates)
	e.Confidence = min(e.Confidence, t.above(expected))
	part := max(1-expected/n, 0)
	e.BytesPerSecond.Low *= part
	e.BlocksPerSecond.Low *= part
}
