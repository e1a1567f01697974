package trend

import (
	"slices"
	"time"
)

const (
	// maxSamples is how many samples a Series holds. When it is full, every second one is
	// dropped, so at least half of maxSamples always span the whole life.
	maxSamples = 16
	// firstStep is the spacing of the samples of a young Series.
	firstStep = uint64(100 * time.Millisecond)
	// minSamples is how many samples a slope needs.
	minSamples = 3
)

// Series is a history of one quantity, sampled at equal distances in time. The zero Series is
// empty and starts at its first Advance.
type Series struct {
	// next is when the next sample is due, in ns; 0 before the first Advance.
	next uint64
	// steps is the distance between samples in units of firstStep, 0 before the first Advance; it
	// doubles when values is full.
	steps  uint32
	n      uint32
	values [maxSamples]uint64
}

// Advance says that the quantity has been value until now (ns). Call it before every change of
// the quantity. Times may step back; such calls do nothing.
func (s *Series) Advance(now, value uint64) {
	if now >= s.next {
		s.fill(now, value)
	}
}

// step is the distance between samples, ns.
func (s *Series) step() uint64 { return uint64(s.steps) * firstStep }

// Next returns when the next sample is due (ns): until then, Advance does nothing.
func (s *Series) Next() uint64 { return s.next }

// Begin starts an empty Series for a quantity that is value at now (ns) and has not grown before.
func (s *Series) Begin(now, value uint64) {
	const known = (minSamples + 1) * firstStep
	if s.steps == 0 {
		s.fill(now-min(now, known), value)
	}
	s.Advance(now, value)
}

// fill takes the samples that are due.
func (s *Series) fill(now, value uint64) {
	if s.steps == 0 {
		s.steps = 1
		s.next = now + firstStep
		return
	}
	for now >= s.next {
		s.values[s.n] = value
		s.n++
		s.next += s.step()
		if s.n == maxSamples {
			s.thin()
		}
	}
}

// thin drops every second sample. The newest stays, so the samples remain at equal distances.
func (s *Series) thin() {
	newest := s.next - s.step()
	for i := range maxSamples / 2 {
		s.values[i] = s.values[2*i+1]
	}
	s.n = maxSamples / 2
	s.steps *= 2
	s.next = newest + s.step()
}

// Span is how long the quantity has been followed until now (ns), in ns.
func (s *Series) Span(now uint64) uint64 {
	if s.steps == 0 {
		return 0
	}
	first := s.next - uint64(s.n+1)*s.step()
	return now - min(first, now)
}

// Sample is the quantity at a moment, in ns.
type Sample struct{ At, Value uint64 }

// Samples returns those that are kept of a quantity that is value at now (ns), oldest first, and now
// as the last. It does not change s.
func (s *Series) Samples(now, value uint64) []Sample {
	if s.steps == 0 {
		return nil
	}
	recent := *s
	recent.Advance(now, value)
	first := recent.next - uint64(recent.n)*recent.step()
	samples := make([]Sample, 0, recent.n+1)
	for i := range recent.n {
		samples = append(samples, Sample{first + uint64(i)*recent.step(), recent.values[i]})
	}
	if newest := recent.next - recent.step(); now > newest || recent.n == 0 {
		samples = append(samples, Sample{now, value})
	}
	return samples
}

// point is the quantity at one moment.
type point struct{ seconds, value float64 }

// Slope estimates how the quantity, which is value at now (ns), develops, per second. It does
// not change s. With at least three samples it is the Theil-Sen estimator, the median of the
// slopes of all pairs of samples. But it is 0 if a single step could explain the samples, or
// if growth has not lasted: a cache that was filled once, at whatever pace, is not a leak. A
// Series with fewer samples gives the mean rate since origin (ns), the time at which
// observation began.
func (s *Series) Slope(origin, now, value uint64) float64 {
	recent := *s
	recent.Advance(now, value)
	if recent.n < minSamples {
		if now <= origin {
			return 0
		}
		return float64(value) / (float64(now-origin) / float64(time.Second))
	}
	var buf [maxSamples + 1]point
	pts := recent.points(buf[:0], now, value)
	slope := theilSen(pts)
	if slope > 0 && !lasts(pts, slope) {
		return 0
	}
	return slope
}

// lasts reports whether pts, which are in order of time and grow by slope, still grow in the
// last third of the time. They must exceed everything in the second third by at least a
// quarter of what slope makes of that time. Less is noise. What the first third had may be a
// start-up that is over.
func lasts(pts []point, slope float64) bool {
	start, end := pts[0].seconds, pts[len(pts)-1].seconds
	third := (end - start) / 3
	var before, height float64
	for _, p := range pts {
		switch {
		case p.seconds >= end-third:
			height = max(height, p.value)
		case p.seconds >= start+third:
			before = max(before, p.value)
		}
	}
	return height-before >= slope*third/4
}

// points appends the samples, and value at now. Seconds count from the first sample, so that a
// large uptime does not eat the precision.
func (s *Series) points(dst []point, now, value uint64) []point {
	seconds := func(ns uint64) float64 { return float64(ns) / float64(time.Second) }
	for i := range s.n {
		dst = append(dst, point{seconds(uint64(i) * s.step()), float64(s.values[i])})
	}
	first := s.next - uint64(s.n)*s.step()
	// A sample taken just now would make a pair without a distance.
	if newest := s.next - s.step(); now > newest {
		dst = append(dst, point{seconds(now - first), float64(value)})
	}
	return dst
}

// theilSen is the median slope of the pairs of pts, which are in order of time, or 0 if a
// single step could have made it. In a series of n points, at most n²/4 pairs see a step, and
// the others are flat. n²/4 can be slightly more than half of all pairs, so the plain median
// of a step is not always 0.
func theilSen(pts []point) float64 {
	var buf [(maxSamples + 1) * maxSamples / 2]float64
	slopes := buf[:0]
	for i, p := range pts {
		for _, q := range pts[i+1:] {
			slopes = append(slopes, (q.value-p.value)/(q.seconds-p.seconds))
		}
	}
	slices.Sort(slopes)
	pairs := len(slopes)
	flat := pairs - len(pts)*len(pts)/4
	if slopes[flat-1] <= 0 && slopes[pairs-flat] >= 0 {
		return 0
	}
	return (slopes[(pairs-1)/2] + slopes[pairs/2]) / 2
}
