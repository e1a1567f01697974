package answer

import (
	"math"

	"memtrace/tracer/report"
)

// mergeEstimates returns the sum of two estimates that rest on the same windows. Their errors are
// independent, so the distances of the bounds add up in squares.
func mergeEstimates(a, b *report.Estimate) *report.Estimate {
	sum := *a
	if weight(b) > weight(a) {
		sum.Class, sum.Confidence = b.Class, b.Confidence
	}
	sum.LeakBytesPerSecond = addBounds(a.LeakBytesPerSecond, b.LeakBytesPerSecond)
	sum.LeakBlocksPerSecond = addBounds(a.LeakBlocksPerSecond, b.LeakBlocksPerSecond)
	sum.MaturitySeconds = max(a.MaturitySeconds, b.MaturitySeconds)
	sum.Survivors = a.Survivors.Plus(b.Survivors)
	sum.SurvivorWindows = max(a.SurvivorWindows, b.SurvivorWindows)
	sum.Active = a.Active.Plus(b.Active)
	sum.Young = a.Young.Plus(b.Young)
	sum.AllocationsPerSecond = a.AllocationsPerSecond + b.AllocationsPerSecond
	if all := sum.AllocationsPerSecond; all > 0 {
		sum.Survival = (a.Survival*a.AllocationsPerSecond + b.Survival*b.AllocationsPerSecond) / all
	}
	sum.OldestSeconds = max(a.OldestSeconds, b.OldestSeconds)
	return &sum
}

// weight orders the classes of estimates by what they claim.
func weight(e *report.Estimate) int {
	switch {
	case e.Class == "leak":
		return 3
	case e.Suspect():
		return 2
	case e.Class == string(report.ClassPossible):
		return 1
	}
	return 0
}

// addBounds returns the bounds of a sum whose parts err independently.
func addBounds(a, b report.Bounds) report.Bounds {
	value := a.Value + b.Value
	below := math.Hypot(a.Value-a.Low, b.Value-b.Low)
	above := math.Hypot(a.High-a.Value, b.High-b.Value)
	return report.Bounds{Value: value, Low: max(value-below, 0), High: value + above}
}

// scaled returns bounds n times as large.
func scaled(b report.Bounds, n float64) report.Bounds {
	return report.Bounds{Value: b.Value * n, Low: b.Low * n, High: b.High * n}
}

// exactly returns the bounds of what was counted.
func exactly(v float64) report.Bounds { return report.Bounds{Value: v, Low: v, High: v} }
