package sample

import (
	"cmp"
	"math"
	"slices"
	"time"

	"memtrace/tracer/event"
	"memtrace/tracer/live"
)

// Class says what the survivors of a stack are taken for.
type Class string

const (
	// Leak: blocks that nobody frees and nobody writes to any more.
	Leak Class = "leak"
	// Active: blocks that nobody frees, though they are written to. That takes more
	// of them to tell, since a chunk whose free was missed may be somebody else's.
	Active Class = "active leak"
	// Possible: what would be a leak if its confidence were not too low for one yet.
	Possible Class = "possible leak"
	// Stopped: survivors of the early windows only, such as a cache that was
	// filled once.
	Stopped Class = "stopped"
	// Ageing: the older the windows, the fewer survivors: blocks that live long.
	Ageing Class = "long-lived"
	// Undecided: too few survivors, or too young.
	Undecided Class = "undecided"
)

// Limits for a verdict.
const (
	// minMaturity is the least age of windows that count.
	minMaturity = 10 * time.Second
	// minConfidence is that from which survivors are called a leak: the second
	// where old candidates of the stack did die, of which there are many stacks, so
	// that one in twenty would soon be met.
	minConfidence, minConfidenceDying = 0.95, 0.999
	// minPossible is the confidence from which survivors are shown as a possible
	// leak, of stacks no old candidate of which has died.
	minPossible = 0.8
	// minSurvivors and minWindows are how many it takes at least, and from how
	// many windows; minActiveWindows is that of active ones.
	minSurvivors, minWindows, minActiveWindows = 2, 2, 3
	// uneven is how many times as often as elsewhere a stack's chunks may be handed
	// out for good to another one: those of the size that leaks are.
	uneven = 4
	// minOutlived is how many active survivors it takes for each candidate of the
	// stack that died late. Chunks that go from hand to hand are found free sooner
	// or later; those of a leak never.
	minOutlived = 4
	// doubt is below which probability the windows are not taken as drawn from a
	// leak that goes on at the same rate.
	doubt = 0.001
)

// Estimate is what the sample says of one stack.
type Estimate struct {
	ID    event.StackID
	Class Class
	// BytesPerSecond and BlocksPerSecond are what is allocated and not freed.
	BytesPerSecond, BlocksPerSecond Interval
	// Survivors are the candidates from windows at least Maturity old that are
	// there, Active those of them whose content changed, Windows how many windows
	// they are from, Young the candidates from later windows.
	Survivors, Active live.Sum
	Windows           int
	Young             live.Sum
	// AllocatedPerSecond is of blocks, while watched; Survival the part of the
	// blocks allocated in windows of which nothing tells that they were freed.
	AllocatedPerSecond, Survival float64
	// Confidence is that in Survivors being more than blocks that are merely not
	// freed yet, 0 to 1.
	Confidence float64
	// Oldest is the age of the oldest survivor.
	Oldest time.Duration

	// deaths is how many candidates died late.
	deaths uint64
}

// Snapshot is what the sample says at one moment.
type Snapshot struct {
	// Estimates are of all stacks with candidates, by their IDs.
	Estimates []Estimate
	// Maturity is the age from which windows count.
	Maturity time.Duration
	// Windows and Traced are how many windows are behind the sample and how long
	// they were.
	Windows  int
	Traced   time.Duration
	Counters Counters
}

// census is what is counted for a snapshot at time now.
type census struct {
	set      *Set
	now      uint64
	maturity uint64
	// counted are the windows that count, matured is their total length, ns; half
	// is the number of the window from which on the later half of that begins, and
	// early is the length of the others.
	counted        []*window
	matured, early uint64
	half           int
	// squares is the sum of the squares of the parts that windows are of matured.
	squares float64
	// eras are the counted windows, a few together.
	eras    []era
	tallies map[*account]*tally
	// active and candidates are of all stacks: those of tallies' active survivors,
	// and all candidates that there ever were.
	active, candidates float64
	// late is what of all stacks tells how old active candidates die.
	late hazard
}

// tally is the candidates of one stack.
type tally struct {
	survivors, active, young live.Sum
	squares                  float64 // of sizes
	windows                  map[int]int
	early                    int
	clump                    float64
	ages, activeAges         float64 // ns, summed
	oldest                   uint64
}

// Snapshot judges all stacks at time now (ns).
func (s *Set) Snapshot(now uint64) Snapshot {
	c := &census{set: s, now: now, tallies: make(map[*account]*tally)}
	c.age()
	for _, b := range s.blocks {
		if b.candidate {
			c.count(b)
		}
	}
	n, traced := s.Traced()
	snap := Snapshot{
		Maturity: time.Duration(c.maturity), Windows: n, Traced: time.Duration(traced), Counters: s.counters,
	}
	for _, a := range s.stacks {
		c.candidates += float64(a.candidates)
		h := c.activeHazard(a, c.tallies[a])
		c.late = hazard{c.late.deaths + h.deaths, c.late.lived + h.lived}
	}
	for a, t := range c.tallies {
		snap.Estimates = append(snap.Estimates, c.judge(a, t, float64(traced)))
	}
	slices.SortFunc(snap.Estimates, func(a, b Estimate) int { return cmp.Compare(a.ID, b.ID) })
	return snap
}

// Suspect reports whether the class is called a leak.
func (c Class) Suspect() bool { return c == Leak || c == Active }

// age decides which windows count: those older than most candidates got that died.
// Not more than the last third of the time is left out.
func (c *census) age() {
	windows := c.set.windows
	if len(windows) == 0 {
		return
	}
	run := c.now - min(windows[0].start, c.now)
	c.maturity = min(max(uint64(minMaturity), c.set.ages.most()), run/3)
	for i := range windows {
		if w := &windows[i]; c.counts(w) {
			c.counted = append(c.counted, w)
			c.matured += w.length()
		}
	}
	for i := range windows {
		w := &windows[i]
		if !c.counts(w) {
			continue
		}
		if c.early+w.length() > c.matured/2 && c.early > 0 {
			break
		}
		c.early += w.length()
		c.half = i + 1
	}
	c.divide()
}

// era is windows that follow each other: how long ago they were, ns, and the part
// that they are of all that count.
type era struct{ age, part float64 }

// maxEras is how many there are: what is summed up over all windows for every stack
// would take long after a day of windows.
const maxEras = 128

// divide makes the eras, and sums up the squares.
func (c *census) divide() {
	if c.matured == 0 {
		return
	}
	for _, w := range c.counted {
		part := float64(w.length()) / float64(c.matured)
		c.squares += part * part
	}
	size := (len(c.counted) + maxEras - 1) / maxEras
	for some := range slices.Chunk(c.counted, size) {
		var e era
		for _, w := range some {
			e.age += float64(c.now-w.end) * float64(w.length())
			e.part += float64(w.length())
		}
		if e.part > 0 {
			c.eras = append(c.eras, era{e.age / e.part, e.part / float64(c.matured)})
		}
	}
}

func (c *census) counts(w *window) bool {
	return w.valid && w.end > 0 && w.end+c.maturity <= c.now
}

func (c *census) count(b *block) {
	t := c.tallies[b.stack]
	if t == nil {
		t = &tally{windows: make(map[int]int), oldest: c.now}
		c.tallies[b.stack] = t
	}
	if !c.counts(&c.set.windows[b.window]) {
		t.young.Add(b.size)
		return
	}
	t.survivors.Add(b.size)
	if b.active {
		t.active.Add(b.size)
		t.activeAges += float64(c.now - min(b.born, c.now))
		c.active++
	}
	t.squares += float64(b.size) * float64(b.size)
	t.windows[b.window]++
	if b.window < c.half {
		t.early++
	}
	t.ages += float64(c.now - min(b.born, c.now))
	t.oldest = min(t.oldest, b.born)
}

func (c *census) judge(a *account, t *tally, traced float64) Estimate {
	e := Estimate{
		ID: a.id, Survivors: t.survivors, Active: t.active, Young: t.young, Windows: len(t.windows),
		AllocatedPerSecond: float64(a.allocated.Blocks) * 1e9 / max(traced, 1),
		Oldest:             time.Duration(c.now - t.oldest),
	}
	if a.allocated.Blocks > 0 {
		e.Survival = float64(a.candidates-a.deaths) / float64(a.allocated.Blocks)
	}
	t.clump = c.clump(t)
	if c.matured > 0 {
		c.estimate(&e, t)
	}
	e.Confidence, e.deaths = c.confidence(a, t)
	if 2*t.active.Blocks > t.survivors.Blocks {
		c.discount(&e, a, t)
	}
	e.Class = c.classify(&e, t)
	return e
}

// estimate scales the survivors by the part of the time that was watched.
func (c *census) estimate(e *Estimate, t *tally) {
	n := float64(t.survivors.Blocks)
	perSecond := 1e9 / float64(c.matured)
	clump := t.clump
	e.BlocksPerSecond = counted(n, clump).times(perSecond)
	if n == 0 {
		return
	}
	// Of different sizes a few large ones make up the sum: as evidence for it they
	// are fewer than n.
	mean := float64(t.survivors.Bytes) / n
	if mean == 0 {
		return
	}
	e.BytesPerSecond = counted(n, clump*max(t.squares/n/(mean*mean), 1)).times(mean * perSecond)
}

// clump is in what numbers survivors come together: the variance of their number
// in a window over its mean, at least 1.
func (c *census) clump(t *tally) float64 {
	windows := float64(len(c.counted))
	if windows < 2 || t.survivors.Blocks < 2 {
		return 1
	}
	n := float64(t.survivors.Blocks)
	// As if there were none in any, then right where there are.
	variance := n * n * c.squares
	for window, k := range t.windows {
		expected := n * float64(c.set.windows[window].length()) / float64(c.matured)
		d := float64(k) - expected
		variance += d*d - expected*expected
	}
	return max(variance/(windows-1)/(n/windows), 1)
}

// classify gives a verdict on an estimate.
func (c *census) classify(e *Estimate, t *tally) Class {
	n := int(t.survivors.Blocks)
	confidence, least := minConfidence, minPossible
	if e.deaths > 0 {
		confidence, least = minConfidenceDying, minConfidenceDying
	}
	if n < minSurvivors || len(t.windows) < minWindows || e.Confidence < least {
		return Undecided
	}
	p := float64(c.early) / float64(c.matured)
	if c.early > 0 {
		in := func(k int) int { return int(math.Ceil(float64(k) / t.clump)) }
		if binomialAtMost(in(t.early), in(n), p) < doubt {
			return Ageing
		}
		if binomialAtMost(in(n-t.early), in(n), 1-p) < doubt {
			return Stopped
		}
	}
	switch idle := t.survivors.Blocks - t.active.Blocks; {
	case idle < t.active.Blocks && (e.Confidence < confidence || e.deaths*minOutlived > t.survivors.Blocks || len(t.windows) < minActiveWindows):
		return Undecided
	case idle < t.active.Blocks:
		return Active
	case idle < minSurvivors:
		return Undecided
	case e.Confidence < confidence:
		return Possible
	}
	return Leak
}
