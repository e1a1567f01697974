package answer

import (
	"math"

	"memtrace/tracer/report"
)

// What a process leaks may follow the time, or the work that it does, of which it does less in
// windows. An estimate holds both, as far as the growth of the heap, which is counted exactly,
// does not tell them apart.

const (
	// growthDoubt is how far the growth of the heap may be off what was allocated and not freed:
	// the first is a part of it, the second bytes. looseDoubt is the same where it is not known
	// how much free memory is in it.
	growthDoubt, looseDoubt = 0.1, 0.25
	growthNoise             = 64 << 10
	// unsteady is the part of the growth by which its slope may differ, so that it counts as
	// steady.
	unsteady = 0.25
	// dominant is the part of all that is estimated that makes a stack stand for the heap.
	dominant = 0.8
	// narrow is how far the bounds of the growth may be apart to say how much leaks.
	narrow = 2
)

// scaleEstimates widens the intervals of all estimates to hold what leaks by work, narrows them by
// what the heap has grown, and moves the estimates to where that says they are.
func (e *Evidence) scaleEstimates() {
	scale := e.Report.Sampling.WorkScale
	if !(scale.High > 0) {
		scale = exactly(1)
	}
	sum := e.estimatedSum(scale)
	growth, steady := e.heapGrowth()
	// How many times as much leaks as windows show in their own time.
	times := scale.Value
	if growth != nil && sum.leaks > 0 {
		low, high := 0.0, growth.High/sum.leaks
		if steady {
			low = (growth.Low - sum.otherHigh) / sum.leaks
		}
		times = math.Sqrt(max(scale.Low, min(low, scale.High)) * min(scale.High, max(high, scale.Low)))
		if low > 0 && high < narrow*low {
			times = math.Sqrt(low * high)
		}
	}
	for i := range e.Report.Stacks {
		if est := e.Report.Stacks[i].Estimate; est != nil && est.LeakBytesPerSecond.Value > 0 {
			e.scaleEstimate(&e.Report.Stacks[i], scale, growth, steady, &sum, times)
		}
	}
}

// estimatedSum is the sum over all estimates, in bytes that the allocator takes, per second.
type estimatedSum struct {
	// leaks and all are of what is estimated by time, leakLow of the lower bounds.
	leaks, leakLow, all float64
	// otherHigh is the upper bounds of what is not called a leak.
	otherHigh float64
}

func (e *Evidence) estimatedSum(scale report.Bounds) (sum estimatedSum) {
	for i := range e.Report.Stacks {
		s := &e.Report.Stacks[i]
		if s.Estimate == nil {
			continue
		}
		b := scaled(s.Estimate.LeakBytesPerSecond, e.rounding(s.Estimate))
		sum.all += b.Value
		if leaking(s) || possible(s) {
			sum.leaks += b.Value
			sum.leakLow += b.Low * scale.Low
		} else {
			sum.otherHigh += b.High * scale.High
		}
	}
	return sum
}

// scaleEstimate is scaleEstimates for one stack.
func (e *Evidence) scaleEstimate(s *report.Stack, scale report.Bounds, growth *report.Bounds, steady bool, sum *estimatedSum, times float64) {
	est := s.Estimate
	taken := scaled(est.LeakBytesPerSecond, e.rounding(est))
	b := report.Bounds{Low: taken.Low * scale.Low, High: taken.High * scale.High}
	if growth != nil && (leaking(s) || possible(s)) {
		// What other stacks leak at least is not this one's.
		most := growth.High - (sum.leakLow - taken.Low*scale.Low)
		b.High = min(b.High, max(most, taken.High))
		if steady && taken.Value >= dominant*sum.all {
			least := growth.Low - sum.otherHigh
			b.Low = max(b.Low, min(dominant*least, b.High))
		}
	}
	b.Value = min(max(taken.Value*times, b.Low), b.High)
	scaleBounds(&est.LeakBlocksPerSecond, &taken, &b)
	scaleBounds(&est.LeakBytesPerSecond, &taken, &b)
}

// scaleBounds changes bounds as others have changed.
func scaleBounds(b, before, after *report.Bounds) {
	change := func(v *float64, before, after float64) {
		if before > 0 {
			*v *= after / before
		}
	}
	change(&b.Value, before.Value, after.Value)
	change(&b.Low, before.Low, after.Low)
	change(&b.High, before.High, after.High)
}

// heapGrowth returns how fast what is allocated in the heap grows, per second, and whether it does
// so steadily. It returns nil where that is not known.
func (e *Evidence) heapGrowth() (growth *report.Bounds, steady bool) {
	m := e.Report.Memory
	if m == nil || e.filtered() || e.seconds() < minSeconds {
		return nil, false
	}
	bounds := func(bytes, doubt float64) *report.Bounds {
		off := doubt*math.Abs(bytes) + growthNoise
		return &report.Bounds{Value: bytes / e.seconds(), Low: (bytes - off) / e.seconds(), High: (bytes + off) / e.seconds()}
	}
	even := func(bytes, perSecond float64) bool {
		return math.Abs(perSecond*e.seconds()-bytes) <= unsteady*bytes
	}
	if e.glibc() {
		held := func(k *Kept) float64 { return float64(k.System) - float64(k.Free) }
		var bytes, slope float64
		for i := range m.Regions {
			if r := &m.Regions[i]; r.Class == "brk" || r.Class == "arena" {
				bytes += float64(r.GrowthBytes)
				slope += r.GrowthBytesPerSecond
			}
		}
		if e.Kept == nil || e.KeptFirst == nil || !e.Kept.Complete || !e.KeptFirst.Complete {
			return bounds(bytes, looseDoubt), even(bytes, slope)
		}
		return bounds(held(e.Kept)-held(e.KeptFirst), growthDoubt), even(bytes, slope)
	}
	if !m.ResidentKnown {
		return nil, false
	}
	pot := e.pots()[0]
	bytes := float64(e.grew(&pot))
	for i := range e.Report.Stacks {
		if s := &e.Report.Stacks[i]; s.Estimate == nil && s.Kind == report.Mmap {
			bytes -= share(s, &pot) * held(s)
		}
	}
	return bounds(bytes, looseDoubt), m.ResidentGrowing && even(float64(m.ResidentGrowthBytes), m.ResidentGrowthBytesPerSecond)
}
