package cohort

import "math"

// slowing reports whether a group grows less from look to look: clearly less in the second half of the
// time than in the first, and never clearly more than just before. What was new at the last look is
// left out, since some of it will not stay.
func (t *Tracker) slowing(g *group, by int) bool {
	var nets, moves [mostLooks + 1]float64
	for _, f := range g.flows {
		in, out := float64(f.in[by]), float64(f.out[by])
		scale := ratio(t.came(int(f.look)), t.left(int(f.look)))
		nets[f.look], moves[f.look] = in-scale*out, in+scale*scale*out
	}
	const first, leastPeriods = firstSettled, 3
	n := len(t.times)
	if n-first < leastPeriods {
		return false
	}
	seconds := func(from, to int) float64 { return t.times[to-2].Sub(t.times[from-2]).Seconds() }
	half := first + (n-first)/2
	var net, moved [2]float64
	for look := first; look < n; look++ {
		part := 0
		if look >= half {
			part = 1
		}
		net[part] += nets[look]
		moved[part] += moves[look]
		if look > first {
			last, now := seconds(look-1, look), seconds(look, look+1)
			if last <= 0 || now <= 0 || nets[look]/now > nets[look-1]/last+2*math.Hypot(deviation(moves[look], now), deviation(moves[look-1], last)) {
				return false
			}
		}
	}
	time, left := seconds(first, half), seconds(half, n)
	before, after := net[0]/time, net[1]/left
	const (
		much  = 0.75 // of the rate before
		sigma = 4
	)
	return after <= much*before && before-after > sigma*math.Hypot(deviation(moved[0], time), deviation(moved[1], left))
}

// deviation is the standard deviation of a rate of which so many blocks came or left in some seconds.
func deviation(blocks, seconds float64) float64 { return math.Sqrt(blocks+1) / seconds }
