package diagnose

import (
	"testing"
	"time"

	"memtrace/tracer/book/sample"
)

// What a process does outside of windows is compared with what it does in them beside the probes.
func TestWorkScale(t *testing.T) {
	const second = 1e9
	w := &Windows{AllocCost: 3 * time.Microsecond, FreeCost: time.Microsecond, CostDoubt: 0.02}
	busy := sample.Done{Time: 100 * second, CPU: 100 * second}
	for name, test := range map[string]struct {
		pace      sample.Pace
		low, high float64 // the least and the most that the upper bound may be
	}{
		"unknown":      {sample.Pace{Outside: busy}, 1, 1},
		"not slowed":   {sample.Pace{Window: sample.Done{Time: second, CPU: second, Allocs: 10, Frees: 10}, Outside: busy}, 1, 1.01},
		"half as fast": {sample.Pace{Window: sample.Done{Time: second, CPU: second, Allocs: 125e3, Frees: 125e3}, Outside: busy}, 2, 2.3},
		// What little is left beside the probes is less than the error.
		"next to nothing": {sample.Pace{Window: sample.Done{Time: second, CPU: second, Allocs: 249e3, Frees: 249e3}, Outside: busy}, 250, 1000},
		// It sleeps as often as the clock says, and each time does all its work.
		"by the clock": {sample.Pace{
			Window:  sample.Done{Time: second, CPU: second / 2, Allocs: 100e3, Frees: 100e3, Sleeps: 200},
			Outside: sample.Done{Time: 100 * second, CPU: 10 * second, Sleeps: 20000},
		}, 1, 1.4},
		// A round of work takes longer, so there are fewer sleeps.
		"rounds": {sample.Pace{
			Window:  sample.Done{Time: second, CPU: 85e7, Allocs: 200e3, Frees: 200e3, Sleeps: 80},
			Outside: sample.Done{Time: 100 * second, CPU: 2 * second, Sleeps: 50000},
		}, 6.25, 9.4},
	} {
		b := w.workScale(&test.pace)
		if b.High < test.low || b.High > test.high || b.Low > 1 || b.Value < b.Low || b.Value > b.High {
			t.Errorf("%s: %+v, want an upper bound from %v to %v", name, b, test.low, test.high)
		}
	}
}
