package sample

import (
	"slices"

	"memtrace/tracer/book/live"
)

// census is what is counted for a snapshot at time now.
type census struct {
	set      *Set
	now      uint64
	maturity uint64
	// counted are the windows that count, and matured is their total length, ns. halved is where
	// the later half of that length begins.
	counted []*window
	matured uint64
	halved  half
	// squares is the sum of the squares of the windows' shares of matured.
	squares float64
	// eras are the counted windows in groups.
	eras    []era
	tallies map[*account]*tally
	// active and candidates are over all stacks: the active survivors in tallies, and all
	// candidates that there ever were.
	active, candidates float64
	// old says, over all stacks, how old active candidates die.
	old hazard
}

// mostlyActive reports whether the content of most survivors has changed.
func (t *tally) mostlyActive() bool { return 2*t.active.Blocks > t.survivors.Blocks }

// tally is the candidates of one stack.
type tally struct {
	survivors, active, young live.Sum
	squares                  float64 // of sizes
	windows                  perWindow
	clump                    float64
	ages, activeAges         float64 // ns, summed
	oldest                   uint64
}

// perWindow counts by windows. In a program with many stacks, most have blocks of only one
// window.
type perWindow struct {
	first, n int
	others   map[int]int
}

func (p *perWindow) add(window int) {
	switch {
	case p.n == 0 || window == p.first:
		p.first = window
		p.n++
	default:
		if p.others == nil {
			p.others = make(map[int]int)
		}
		p.others[window]++
	}
}

// len returns how many windows there are.
func (p *perWindow) len() int { return min(p.n, 1) + len(p.others) }

// each calls f with every window and its count.
func (p *perWindow) each(f func(window, n int)) {
	if p.n > 0 {
		f(p.first, p.n)
	}
	for window, n := range p.others {
		f(window, n)
	}
}

// maturity returns how old windows must be to count, ns, if blocks live up to age. It leaves
// out no more than the last third of the time.
func (s *Set) maturity(now, age uint64) uint64 {
	if len(s.windows) == 0 {
		return 0
	}
	run := now - min(s.windows[0].start, now)
	return min(max(uint64(minMaturity), age), run/3)
}

// census counts all candidates at time now (ns).
func (s *Set) census(now, maturity uint64) *census {
	c := &census{set: s, now: now, maturity: maturity, tallies: make(map[*account]*tally)}
	c.age()
	for _, b := range s.blocks {
		if b.candidate {
			c.count(b)
		}
	}
	for _, a := range s.stacks {
		c.candidates += float64(a.candidates)
		h := c.activeHazard(a, c.tallies[a])
		c.old = hazard{c.old.deaths + h.deaths, c.old.lived + h.lived}
	}
	return c
}

// age finds the windows that are old enough.
func (c *census) age() {
	windows := c.set.windows
	for i := range windows {
		if w := &windows[i]; c.counts(w) {
			c.counted = append(c.counted, w)
			c.matured += w.length()
		}
	}
	c.halved = c.halve(0)
	c.divide()
}

// era is a group of consecutive windows: how long ago they were on average, ns, and their
// share of all that count.
type era struct{ age, part float64 }

// maxEras is the most eras there are: to sum over all windows for every stack would take long
// after a day of windows.
const maxEras = 128

// divide makes the eras and sums up the squares.
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
		t = &tally{oldest: c.now}
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
	t.windows.add(b.window)
	t.ages += float64(c.now - min(b.born, c.now))
	t.oldest = min(t.oldest, b.born)
}
