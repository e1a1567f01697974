package cohort

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Class says how the cohorts of a group develop.
type Class string

const (
	// Unknown is for groups that too little has come to, or of which as much goes as comes without
	// that cohorts clearly shrink.
	Unknown Class = "unknown"
	// Steady cohorts do not shrink: what comes stays, as in a leak.
	Steady Class = "steady"
	// Fading cohorts shrink with age, as in a cache: what comes goes later.
	Fading Class = "fading"
)

// Cohort is the blocks that came between two looks.
type Cohort struct {
	// From and To are the looks. From is zero for the blocks of the first look.
	From, To time.Time
	// Came is how many of them were the same at the look after, Stayed how many still are.
	Came, Stayed uint64
}

// Growth is what a group does.
type Growth struct {
	Key
	// Blocks and Bytes are those of the last look.
	Blocks, Bytes uint64
	// Came is how many blocks have settled, Left how many that had settled are gone, or changed.
	Came, Left uint64
	// PerMinute is how many blocks a minute came and stayed, less those that left, each by its own time.
	// Low and High hold the true rate with a probability of Confidence if blocks come and leave
	// independently of each other (Poisson: exact limits of Garwood for either, joined by the square-and-add method
	// of Zou and Donner). They are widened where looks differ by more than that allows, and by how long looks
	// took to list blocks: those that come may all be listed at the end of one.
	PerMinute, Low, High float64
	Class                Class
	// Slowing: it grows less from look to look, as what is full at some time does.
	Slowing bool
	// ByPlace: contents change in use, and blocks were told by address and size alone.
	ByPlace bool
	// Cohorts are those with blocks, the oldest first.
	Cohorts []Cohort
}

// Confidence is that of the limits of Growth.
const Confidence = 0.95

// leastLooks is from how many looks on groups are judged: at the third, what came between the
// first two has settled.
const leastLooks = 3

// Growth judges the groups that blocks have come to or left, those that grow by most bytes first.
// It returns nil before the third look.
func (t *Tracker) Growth() []Growth {
	if len(t.times) < leastLooks {
		return nil
	}
	var active [2]int
	counts, alike := make([][2]count, len(t.groups)), make(map[Key]float64)
	for i, g := range t.groups {
		for by := range active {
			c := t.count(g, by)
			if c.in+c.out >= leastBlocks {
				active[by]++
			}
			counts[i][by] = c
		}
		alike[Key{Size: g.key.Size, Kind: g.key.Kind}] += counts[i][byPlace].net()
	}
	stayed := t.stayed()
	var all []Growth
	for i, g := range t.groups {
		if len(g.flows) == 0 {
			continue
		}
		content, place := counts[i][byContent], counts[i][byPlace]
		chosen, other := content, place
		// Where holders take turns, what one gains another loses.
		turns := alike[Key{Size: g.key.Size, Kind: g.key.Kind}] < place.net()/2
		if !content.steady(active[byContent]) && place.steady(active[byPlace]) && !turns {
			chosen, other = place, content
		}
		all = append(all, t.growth(g, chosen, other, active, stayed[i]))
	}
	slices.SortFunc(all, func(a, b Growth) int {
		rank := func(g *Growth) int { return slices.Index([]Class{Steady, Unknown, Fading}, g.Class) }
		return cmp.Or(cmp.Compare(rank(&a), rank(&b)), cmp.Compare(b.PerMinute*float64(b.Size), a.PerMinute*float64(a.Size)),
			cmp.Compare(a.Size, b.Size), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Holder, b.Holder))
	})
	return all
}

// growth makes the Growth of a group by one of its two counts.
func (t *Tracker) growth(g *group, c, other count, active [2]int, stayed [2][]uint64) Growth {
	r := Growth{Key: g.key, Blocks: g.blocks, Bytes: g.bytes, Came: c.in, Left: c.out, Class: Unknown, ByPlace: c.by == byPlace}
	minutes := t.span().Minutes()
	if minutes > 0 {
		low, high := c.limits()
		least, most := t.minutes()
		r.PerMinute, r.Low, r.High = c.net()/minutes, min(low/least, low/most), max(high/least, high/most)
	}
	switch {
	case c.steady(active[c.by]):
		r.Class, r.Slowing = Steady, c.slowing
	case c.fading() || other.fading() && other.by == byContent:
		r.Class = Fading
	}
	for look, n := range stayed[c.by] {
		if look+1 >= len(t.times) {
			break // these have not settled
		}
		one := Cohort{To: t.times[look], Stayed: n}
		if look > 0 {
			one.From = t.times[look-1]
			one.Came = max(g.came(uint8(look+1), c.by), n)
		}
		if one.Came+one.Stayed > 0 {
			r.Cohorts = append(r.Cohorts, one)
		}
	}
	return r
}

// came is how many blocks have settled at a look.
func (g *group) came(look uint8, by int) uint64 {
	for i := range g.flows {
		if g.flows[i].look == look {
			return uint64(g.flows[i].in[by])
		}
	}
	return 0
}

// stayed counts the blocks of each group by the look since which they are the same.
func (t *Tracker) stayed() [][2][]uint64 {
	all := make([][2][]uint64, len(t.groups))
	for i, g := range t.groups {
		if len(g.flows) > 0 {
			all[i] = [2][]uint64{make([]uint64, len(t.times)), make([]uint64, len(t.times))}
		}
	}
	marks := cursor{from: &t.last}
	for {
		m, ok := marks.next()
		if !ok {
			return all
		}
		if n := &all[m.group]; n[0] != nil {
			n[byContent][m.born]++
			n[byPlace][m.placed]++
		}
	}
}

// span is how long the time is in which what came has settled by now.
func (t *Tracker) span() time.Duration { return t.times[len(t.times)-2].Sub(t.times[0]) }

// minutes is how long span may be for blocks that are listed at any time during looks.
func (t *Tracker) minutes() (least, most float64) {
	const some = 10 // looks may follow one another at once
	span, off := t.span(), t.within[0]+t.within[len(t.within)-2]
	return max(span-off, span/some).Minutes(), (span + off).Minutes()
}

// came is how long the time is in which blocks came that settled at a look.
func (t *Tracker) came(look int) time.Duration {
	if look < firstSettled {
		return 0
	}
	return t.times[look-1].Sub(t.times[look-2])
}

// firstSettled is the first look at which blocks can have settled.
const firstSettled = 2

// left is how long the time is in which blocks left that are counted at a look.
func (t *Tracker) left(look int) time.Duration {
	if look == 0 {
		return 0
	}
	since := t.times[look-1]
	if since.Before(t.second) {
		since = t.second
	}
	return t.times[look].Sub(since)
}

// ratio is how long a time is for each second of another.
func ratio(in, out time.Duration) float64 {
	if in <= 0 || out <= 0 {
		return 1
	}
	return in.Seconds() / out.Seconds()
}

// count is what has come to a group and left it in all.
type count struct {
	by      int
	in, out uint64
	// scale is how long the time is in which blocks came for each second of that in which others left.
	scale float64
	// arrivals are the looks at which blocks settled, and the last one if some are new then.
	arrivals int
	// spread is by how much more looks differ than chance allows, at least 1.
	spread float64
	// slowing: it grows less from look to look.
	slowing bool
}

// leastBlocks is from how many blocks on that came or left a group is judged.
const leastBlocks = 6

func (t *Tracker) count(g *group, by int) count {
	c := count{by: by, spread: 1, scale: ratio(t.span(), t.times[len(t.times)-1].Sub(t.second))}
	for _, f := range g.flows {
		c.in += uint64(f.in[by])
		c.out += uint64(f.out[by])
		if f.in[by] > 0 {
			c.arrivals++
		}
	}
	if g.fresh[by] > 0 {
		c.arrivals++
	}
	c.spread, c.slowing = t.spread(g, &c), t.slowing(g, by)
	return c
}

// spread compares looks with what they would be if blocks came and left evenly.
func (t *Tracker) spread(g *group, c *count) float64 {
	span := t.span().Seconds()
	if c.in+c.out == 0 || span <= 0 {
		return 1
	}
	var nets [mostLooks + 1]float64
	for _, f := range g.flows {
		nets[f.look] = float64(f.in[c.by]) - float64(f.out[c.by])
	}
	var squares float64
	parts := 0
	for look := range t.times {
		in := float64(c.in) * t.came(look).Seconds() / span
		out := float64(c.out) * c.scale * t.left(look).Seconds() / span
		if in+out > 0 {
			off := nets[look] - (in - out)
			squares += off * off / (in + out)
			parts++
		}
	}
	if parts < 2 {
		return 1
	}
	return max(1, squares/float64(parts-1))
}

// gone is how many blocks left, for as long a time as that in which c.in came: looks are not evenly
// spaced, and the first takes longest.
func (c *count) gone() float64 { return float64(c.out) * c.scale }

// net is how many more blocks came than left.
func (c *count) net() float64 { return float64(c.in) - c.gone() }

// limits are those of net.
func (c *count) limits() (low, high float64) {
	inLow, inHigh := poissonLimits(c.in)
	in := float64(c.in)
	if c.out == 0 {
		w := math.Sqrt(c.spread)
		return in - w*(in-inLow), in + w*(inHigh-in)
	}
	out := float64(c.out)
	outLow, outHigh := poissonLimits(c.out)
	w := math.Sqrt(c.spread)
	return c.net() - w*math.Hypot(in-inLow, c.scale*(outHigh-out)), c.net() + w*math.Hypot(inHigh-in, c.scale*(out-outLow))
}

// chance is how likely it may be, at each look, that any of the groups is called steady which only
// fluctuates. Each is judged in both ways.
const chance = 0.02

// steady reports whether more blocks come than leave beyond doubt, where so many groups might by
// chance, and whether cohorts stay.
func (c *count) steady(groups int) bool {
	most := c.in / 4
	if c.by == byPlace {
		most = c.in / 8 // another block may take a place
	}
	if c.in < leastBlocks || c.arrivals < 2 || c.gone() > float64(most) {
		return false
	}
	return tail(float64(c.in)/c.spread, float64(c.out)/c.spread, c.scale/(1+c.scale)) <= chance/2/float64(max(groups, 1))
}

// fading reports whether cohorts shrink.
func (c *count) fading() bool {
	const least = 4
	return c.in >= leastBlocks && c.out >= least && c.gone() >= float64(c.in/4)
}

// Group is the blocks of a Key at the last look.
type Group struct {
	Key
	Blocks, Bytes uint64
}

// Groups returns all groups that have blocks.
func (t *Tracker) Groups() []Group {
	var all []Group
	for _, g := range t.groups {
		if g.blocks > 0 {
			all = append(all, Group{g.key, g.blocks, g.bytes})
		}
	}
	return all
}
