package diagnose

import (
	"math"
	"time"

	"memtrace/tracer/book/sample"
	"memtrace/tracer/report"
)

const (
	// leastPair is the least that a free and the next allocation can cost without probes.
	leastPair = 10 * time.Nanosecond
	// sure is how many standard deviations of the price of a call count.
	sure = 3
	// enoughSleeps is how many sleeps say how often a process sleeps.
	enoughSleeps = 10
	// noticed is how many times as often a process sleeps outside of windows, so that it shows
	// that its work waits for its own sleeps rather than for a clock.
	noticed = 1.2
	// perSleep is how many times as much it may do in the same number of sleeps.
	perSleep = 1.5
	// mostScale and leastScale bound the result.
	mostScale, leastScale = 1000, 0.8
)

// workScale returns how many times as much a process does outside of windows as in them, in the
// same time. Two measures of that are known: the processor time that is not the probes', and how
// often its threads sleep, which is exact, but need not follow the work.
func (w *Windows) workScale(p *sample.Pace) report.Bounds {
	in, out := &p.Window, &p.Outside
	if in.Time == 0 || out.Time == 0 || out.CPU == 0 {
		return report.Bounds{Value: 1, Low: 1, High: 1}
	}
	lost := float64(in.Allocs)*float64(w.AllocCost) + float64(in.Frees)*float64(w.FreeCost)
	// Less than the calls themselves take is not possible, and no more than all.
	least := float64(min(in.Allocs, in.Frees)) * float64(leastPair)
	useful := func(factor float64) float64 { return max(float64(in.CPU)-factor*lost, least, 1) }
	scale := func(useful float64) float64 {
		return float64(out.CPU) / float64(out.Time) / (useful / float64(in.Time))
	}
	low, high := scale(useful(1-sure*w.CostDoubt)), scale(useful(1+sure*w.CostDoubt))
	b := report.Bounds{Low: min(max(low, leastScale), 1), High: min(max(high, 1), mostScale)}
	b.Value = math.Sqrt(max(low, 1) * b.High)
	if in.Sleeps >= enoughSleeps && out.Sleeps >= enoughSleeps {
		sleeps := float64(out.Sleeps) / float64(out.Time) * float64(in.Time) / float64(in.Sleeps)
		if sleeps > noticed {
			b.Value = min(sleeps, mostScale)
			b.High = max(min(b.High, perSleep*sleeps), b.Value)
		}
	}
	return b
}
