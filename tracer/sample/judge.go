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
	// mostIdle and mostOfAll are how many of 100 candidates have died, of those that
	// nobody wrote to and of all, before the rest counts.
	mostIdle, mostOfAll = 99, 95
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
	// Maturity is the age from which windows count: that of the Snapshot, or more
	// where most survivors are active or candidates died late.
	Maturity time.Duration
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
	// Maturity is the age from which windows count at least.
	Maturity time.Duration
	// Windows and Traced are how many windows are behind the sample and how long
	// they were.
	Windows  int
	Traced   time.Duration
	Counters Counters
}

// Snapshot judges all stacks at time now (ns). Blocks that nobody writes to die
// young, if they die. Active ones may be chunks that go from hand to hand, and then
// some get many times as old before one is found free: to tell a leak of them takes
// older windows, as it does where a stack's own blocks live long.
func (s *Set) Snapshot(now uint64) Snapshot {
	young := s.idleAges.within(mostIdle)
	idle := s.census(now, s.maturity(now, young))
	all := idle
	if age := s.maturity(now, max(young, s.ages.within(mostOfAll))); age != idle.maturity {
		all = s.census(now, age)
	}
	// Each of the other maturities takes a census of its own: one at a time.
	older := make(map[uint64][]*account)
	n, traced := s.Traced()
	snap := Snapshot{
		Maturity: time.Duration(idle.maturity), Windows: n, Traced: time.Duration(traced), Counters: s.counters,
	}
	for a, t := range idle.tallies {
		c := idle
		if t.mostlyActive() || all.tallies[a].mostlyActive() {
			c = all
		} else if own := a.ages.within(mostOfAll); own > idle.maturity {
			age := s.maturity(now, own)
			older[age] = append(older[age], a)
			continue
		}
		snap.Estimates = append(snap.Estimates, c.judge(a, c.tallies[a], float64(traced)))
	}
	for age, accounts := range older {
		c := s.census(now, age)
		for _, a := range accounts {
			snap.Estimates = append(snap.Estimates, c.judge(a, c.tallies[a], float64(traced)))
		}
	}
	slices.SortFunc(snap.Estimates, func(a, b Estimate) int { return cmp.Compare(a.ID, b.ID) })
	return snap
}

// Suspect reports whether the class is called a leak.
func (c Class) Suspect() bool { return c == Leak || c == Active }

func (c *census) judge(a *account, t *tally, traced float64) Estimate {
	e := Estimate{
		ID: a.id, Maturity: time.Duration(c.maturity), Survivors: t.survivors, Active: t.active, Young: t.young, Windows: t.windows.len(),
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
	if t.mostlyActive() {
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
	t.windows.each(func(window, k int) {
		expected := n * float64(c.set.windows[window].length()) / float64(c.matured)
		d := float64(k) - expected
		variance += d*d - expected*expected
	})
	return max(variance/(windows-1)/(n/windows), 1)
}

// classify gives a verdict on an estimate.
func (c *census) classify(e *Estimate, t *tally) Class {
	n := int(t.survivors.Blocks)
	confidence, least := minConfidence, minPossible
	if e.deaths > 0 {
		confidence, least = minConfidenceDying, minConfidenceDying
	}
	if n < minSurvivors || t.windows.len() < minWindows || e.Confidence < least {
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
	case idle < t.active.Blocks && (e.Confidence < confidence || e.deaths*minOutlived > t.survivors.Blocks || t.windows.len() < minActiveWindows):
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
