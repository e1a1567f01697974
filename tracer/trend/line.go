package trend

import (
	"math"
	"slices"
	"time"
)

const (
	// maxPoints is how many points a Line holds.
	maxPoints = 96
	// deviations is the number of standard deviations within which a normal variable stays
	// with Confidence.
	deviations = 1.96
)

// Confidence is the confidence level of a Fit's interval.
const Confidence = 0.95

// Line is the history of a quantity that is looked at from time to time, with what it takes to
// tell whether the quantity grows. The zero Line is empty.
type Line struct {
	points thinned[point]

	n              int
	first, last    point
	peak, drawdown float64
	rises          int
}

// Add says that the quantity is value at a time, counted from any moment. Times must not step
// back.
func (l *Line) Add(at time.Duration, value float64) {
	p := point{at.Seconds(), value}
	switch {
	case l.n == 0:
		l.first, l.peak = p, value
	case value > l.peak:
		l.peak = value
		l.rises++
	default:
		l.drawdown = max(l.drawdown, l.peak-value)
	}
	l.n++
	l.last = p
	l.points.add(p, maxPoints)
}

// Fit is what a Line says of a quantity.
type Fit struct {
	// N is how many values were added.
	N int
	// Change is the last value minus the first.
	Change float64
	// Slope is the median of the slopes of all pairs of values (Theil-Sen), per second. It
	// lies between Low and High with Confidence (Sen 1968, by Kendall's S). Without enough
	// values for that, these are infinite.
	Slope, Low, High float64
	// Noise is the most that the quantity has fallen below an earlier peak.
	Noise float64
	// Rises is how often the quantity exceeded all its earlier values.
	Rises int
	// Thirds are the medians of the first, second and last third of the time.
	Thirds [3]float64
}

// Growing reports whether the quantity grows beyond doubt. The slope must be above 0 with
// confidence, and the change more than twice the noise. The quantity must have risen more than
// twice, so that no one or two steps make the growth, such as a cache that is filled once. And
// it must still grow in the last third of the time.
func (f Fit) Growing() bool {
	return f.Low > 0 && f.Change > 2*f.Noise && f.Rises > 2 &&
		f.Thirds[0] < f.Thirds[1] && f.Thirds[1] < f.Thirds[2]
}

// MinFit is the fewest values that can show growth.
const MinFit = 6

// Fit says how the quantity develops. It takes up to a millisecond.
func (l *Line) Fit() Fit {
	f := Fit{
		N: l.n, Low: math.Inf(-1), High: math.Inf(1),
		Change: l.last.value - l.first.value, Noise: l.drawdown, Rises: l.rises,
	}
	points := l.points.kept
	if l.n > 0 && points[len(points)-1] != l.last {
		points = append(slices.Clip(points), l.last)
	}
	slopes := make([]float64, 0, len(points)*len(points)/2)
	for i, p := range points {
		for _, q := range points[i+1:] {
			if q.seconds > p.seconds {
				slopes = append(slopes, (q.value-p.value)/(q.seconds-p.seconds))
			}
		}
	}
	if len(slopes) == 0 {
		return f
	}
	slices.Sort(slopes)
	f.Slope = median(slopes)
	// The interval is that of the pairs whose rank is within the deviation of Kendall's S, the
	// number of pairs that rise minus the number of pairs that fall.
	rank := int(math.Floor((float64(len(slopes)) - deviations*kendallDeviation(points)) / 2))
	if rank > 0 && l.n >= MinFit {
		f.Low, f.High = slopes[rank-1], slopes[len(slopes)-rank]
		f.Thirds = thirds(points)
	}
	return f
}

// kendallDeviation is the standard deviation of Kendall's S for points without a trend, with
// groups of equal values (ties) taken into account.
func kendallDeviation(points []point) float64 {
	term := func(n int) float64 { return float64(n) * float64(n-1) * float64(2*n+5) }
	values := valuesOf(points)
	slices.Sort(values)
	variance := term(len(values))
	for i := 0; i < len(values); {
		j := i
		for j < len(values) && values[j] == values[i] {
			j++
		}
		variance -= term(j - i)
		i = j
	}
	return math.Sqrt(variance / 18)
}

func valuesOf(points []point) []float64 {
	values := make([]float64, len(points))
	for i, p := range points {
		values[i] = p.value
	}
	return values
}

// thirds returns the medians of the values in each third of the time.
func thirds(points []point) (medians [3]float64) {
	start := points[0].seconds
	length := points[len(points)-1].seconds - start
	for i := range medians {
		from, to := start+length*float64(i)/3, start+length*float64(i+1)/3
		values := valuesOf(slices.DeleteFunc(slices.Clone(points), func(p point) bool {
			return p.seconds < from || p.seconds > to
		}))
		if len(values) > 0 {
			slices.Sort(values)
			medians[i] = median(values)
		}
	}
	return medians
}

// median returns the median of sorted values, of which there must be at least one.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
