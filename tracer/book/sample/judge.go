package sample

import (
	"cmp"
	"slices"
	"time"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// Class says what a stack's survivors are taken for.
type Class string

const (
	// Leak: blocks that nobody frees and nobody writes to any more.
	Leak Class = "leak"
	// Active: blocks that nobody frees, but that are written to. It takes more of them to be
	// sure, because a chunk whose free was missed may be somebody else's.
	Active Class = "active leak"
	// Possible: would be a leak, but the confidence is still too low.
	Possible Class = "possible leak"
	// Stopped: survivors of early windows only, such as a cache that was filled once.
	Stopped Class = "stopped"
	// Ageing: the older the windows, the fewer the survivors, so blocks that live long.
	Ageing Class = "long-lived"
	// Undecided: survivors too few or too young.
	Undecided Class = "undecided"
)

// Limits for a verdict.
const (
	// minMaturity is the least age of windows that count.
	minMaturity = 10 * time.Second
	// mostIdle and mostOfAll are how many percent of the candidates must have died before the
	// rest counts: of those that nobody wrote to, and of all.
	mostIdle, mostOfAll = 99, 95
	// minConfidence is the confidence from which survivors are called a leak.
	// minConfidenceDying replaces it for stacks whose old candidates did die: there are many
	// such stacks, so one false alarm in twenty would soon be met.
	minConfidence, minConfidenceDying = 0.95, 0.999
	// minPossible is the confidence from which survivors are shown as a possible leak, for
	// stacks of which no old candidate has died.
	minPossible = 0.8
	// minSurvivors and minWindows are the fewest survivors for a verdict, and the fewest
	// windows they must come from. minActiveWindows is the latter for active survivors.
	minSurvivors, minWindows, minActiveWindows = 2, 2, 3
	// uneven is how many times as often as elsewhere a stack's chunks may be handed out for
	// good to another stack, which is the case for chunks of the size that leaks.
	uneven = 4
	// minOutlived is how many active survivors it takes for each candidate of the stack that
	// died late. Chunks that go from hand to hand are found free sooner or later, those of a
	// leak never.
	minOutlived = 4
	// doubt is the probability below which the windows are not believed to be drawn from a
	// leak that goes on at a constant rate.
	doubt = 0.001
)

// Estimate is what the sample says of one stack.
type Estimate struct {
	ID    event.StackID
	Class Class
	// BytesPerSecond and BlocksPerSecond are what is allocated and not freed.
	BytesPerSecond, BlocksPerSecond Interval
	// Maturity is the age from which windows count: the Snapshot's, or more if most survivors
	// are active or candidates died late.
	Maturity time.Duration
	// Survivors are the remaining candidates from windows at least Maturity old. Active are
	// those of them whose content changed, Windows is how many windows they come from, and
	// Young are the candidates from later windows.
	Survivors, Active live.Sum
	Windows           int
	Young             live.Sum
	// AllocatedPerSecond counts blocks, while watched. Survival is the part of the blocks
	// allocated in windows that is not known to be freed.
	AllocatedPerSecond, Survival float64
	// Confidence is the confidence, 0 to 1, that Survivors are more than blocks that are
	// merely not freed yet.
	Confidence float64
	// Oldest is the age of the oldest survivor.
	Oldest time.Duration

	// deaths is how many candidates died late.
	deaths uint64
}

// Snapshot is what the sample says at one moment.
type Snapshot struct {
	// Estimates holds all stacks with candidates, sorted by ID.
	Estimates []Estimate
	// Maturity is the least age from which windows count.
	Maturity time.Duration
	// Windows is how many windows the sample comes from, and Traced is their total length.
	Windows  int
	Traced   time.Duration
	Counters Counters
	Pace     Pace
}

// Snapshot judges all stacks at time now (ns). Blocks that nobody writes to die young, if they
// die. Active blocks may be chunks that go from hand to hand, and some of those get many times
// as old before one is found free. So telling a leak of active blocks takes older windows, and
// so does a stack whose own blocks live long. The blocks of a stack that began late are as old as
// it takes others to die, before they count.
func (s *Set) Snapshot(now uint64) Snapshot {
	young := s.idleAges.within(mostIdle)
	idle := s.census(now, s.maturity(now, young))
	all := idle
	if age := s.maturity(now, max(young, s.ages.within(mostOfAll))); age != idle.maturity {
		all = s.census(now, age)
	}
	// Each other maturity takes a census of its own: one at a time.
	older := make(map[uint64][]*account)
	n, traced := s.Traced()
	snap := Snapshot{
		Maturity: time.Duration(idle.maturity), Windows: n, Traced: time.Duration(traced), Counters: s.counters, Pace: s.pace.sum,
	}
	for a, t := range idle.tallies {
		c := idle
		if late, _ := s.late(a, now); late && young > idle.maturity {
			// It may do what others do, of which it is known how long that takes.
			older[young] = append(older[young], a)
			continue
		}
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
			t := c.tallies[a]
			if t == nil {
				t = &tally{oldest: now}
			}
			snap.Estimates = append(snap.Estimates, c.judge(a, t, float64(traced)))
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
	e.Class = c.classify(&e, a, t)
	return e
}

// estimate scales the survivors up from the part of the time that was watched.
func (c *census) estimate(e *Estimate, t *tally) {
	n := float64(t.survivors.Blocks)
	perSecond := 1e9 / float64(c.matured)
	clump := t.clump
	e.BlocksPerSecond = counted(n, clump).times(perSecond)
	if n == 0 {
		return
	}
	// If sizes differ, a few large blocks make up the sum, and as evidence for it they are
	// fewer than n.
	mean := float64(t.survivors.Bytes) / n
	if mean == 0 {
		return
	}
	e.BytesPerSecond = counted(n, clump*max(t.squares/n/(mean*mean), 1)).times(mean * perSecond)
}

// clump is how many survivors come together: the variance of their number per window over its
// mean, at least 1.
func (c *census) clump(t *tally) float64 {
	windows := float64(len(c.counted))
	if windows < 2 || t.survivors.Blocks < 2 {
		return 1
	}
	n := float64(t.survivors.Blocks)
	// First as if no window had any, then corrected for those that have.
	variance := n * n * c.squares
	t.windows.each(func(window, k int) {
		expected := n * float64(c.set.windows[window].length()) / float64(c.matured)
		d := float64(k) - expected
		variance += d*d - expected*expected
	})
	return max(variance/(windows-1)/(n/windows), 1)
}

// classify gives a verdict on an estimate.
func (c *census) classify(e *Estimate, a *account, t *tally) Class {
	n := int(t.survivors.Blocks)
	confidence, least := minConfidence, minPossible
	if e.deaths > 0 {
		confidence, least = minConfidenceDying, minConfidenceDying
	}
	if n < minSurvivors || t.windows.len() < minWindows || e.Confidence < least {
		return Undecided
	}
	if class, is := c.lopsided(a, t); is {
		return class
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
