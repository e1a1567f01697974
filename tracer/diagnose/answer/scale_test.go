package answer

import (
	"testing"

	"memtrace/tracer/report"
)

// leakInWindows is a stack that leaks 100 KB/s by what windows saw in their own time.
func leakInWindows(class string) report.Stack {
	return estimated("leak", class, 100e3, 60e3, 150e3, calls("keep", "serve"))
}

// scaledBy returns the bounds of a leak where a process does so many times as much outside of
// windows, at most, and its heap has grown by so many bytes in 20 s, if that is not below 0.
func scaledBy(class string, most float64, grown int64, change func(*report.Report)) report.Bounds {
	r := inWindows(watched())
	r.Sampling.WorkScale = report.Bounds{Value: most, Low: 1, High: most}
	if grown < 0 {
		r.Memory = nil
	} else {
		grow(r, "brk", grown)
	}
	if change != nil {
		change(r)
	}
	e := with(r, leakInWindows(class))
	e.Judge()
	return e.Report.Stacks[0].Estimate.LeakBytesPerSecond
}

// An interval holds what leaks by time and what leaks by work, as far as the growth of the heap
// does not tell them apart.
func TestScaledEstimates(t *testing.T) {
	const chunk = 1.12 // the allocator takes 112 bytes for a block of 100
	bytes := func(perSecond float64) int64 { return int64(20 * chunk * perSecond) }
	for _, test := range []struct {
		name             string
		class            string
		most             float64
		grown            int64
		change           func(*report.Report)
		low, value, high [2]float64
	}{
		{"not slowed", "leak", 1, -1, nil, [2]float64{60e3, 60e3}, [2]float64{100e3, 100e3}, [2]float64{150e3, 150e3}},
		{"slowed, growth unknown", "leak", 10, -1, nil, [2]float64{60e3, 60e3}, [2]float64{100e3, 1e6}, [2]float64{1.5e6, 1.5e6}},
		{"by work", "leak", 10, bytes(1e6), nil, [2]float64{60e3, 900e3}, [2]float64{950e3, 1050e3}, [2]float64{1.1e6, 1.4e6}},
		{"by time", "leak", 10, bytes(100e3), nil, [2]float64{50e3, 90e3}, [2]float64{95e3, 105e3}, [2]float64{110e3, 160e3}},
		{"in between", "leak", 10, bytes(300e3), nil, [2]float64{50e3, 280e3}, [2]float64{280e3, 320e3}, [2]float64{330e3, 450e3}},
		{
			"grew at once", "leak", 10, bytes(1e6), func(r *report.Report) { r.Memory.Regions[0].GrowthBytesPerSecond = 0 },
			[2]float64{60e3, 60e3},
			[2]float64{100e3, 1e6},
			[2]float64{1e6, 1.5e6},
		},
		{"more than it can", "leak", 2, bytes(1e6), nil, [2]float64{60e3, 300e3}, [2]float64{200e3, 300e3}, [2]float64{300e3, 300e3}},
		{"no growth", "leak", 10, 0, nil, [2]float64{60e3, 60e3}, [2]float64{60e3, 150e3}, [2]float64{150e3, 150e3}},
		{"of some sizes", "leak", 10, bytes(100e3), func(r *report.Report) { r.MinSize = 64 }, [2]float64{60e3, 60e3}, [2]float64{100e3, 1e6}, [2]float64{1.5e6, 1.5e6}},
		{"no leak", "long-lived", 10, bytes(100e3), nil, [2]float64{60e3, 60e3}, [2]float64{60e3, 1.5e6}, [2]float64{1.5e6, 1.5e6}},
	} {
		b := scaledBy(test.class, test.most, test.grown, test.change)
		within := func(v float64, bounds [2]float64) bool { return v >= bounds[0]*0.999 && v <= bounds[1]*1.001 }
		if !within(b.Low, test.low) || !within(b.Value, test.value) || !within(b.High, test.high) {
			t.Errorf("%s: %+v, want low %v, value %v, high %v", test.name, b, test.low, test.value, test.high)
		}
	}
}

// Of several stacks each may have what the others do not have at least.
func TestScaledEstimatesShareGrowth(t *testing.T) {
	r := inWindows(watched())
	r.Sampling.WorkScale = report.Bounds{Value: 10, Low: 1, High: 10}
	grow(r, "brk", int64(20*1.12*500e3))
	other := leakInWindows("leak")
	other.ID = "other"
	e := with(r, leakInWindows("leak"), other)
	e.Judge()
	for i := range e.Report.Stacks {
		b := e.Report.Stacks[i].Estimate.LeakBytesPerSecond
		if b.Value < 240e3 || b.Value > 260e3 || b.Low > 60e3 || b.High < 440e3 || b.High > 600e3 {
			t.Errorf("%+v, want half of 500 KB/s", b)
		}
	}
}
