package window

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"memtrace/tracer/probe"
)

var testCosts = probe.Costs{Alloc: 2500 * time.Nanosecond, Free: 1000 * time.Nanosecond}

// worked is some time in which a target works for so long before each pair of calls, whose probes
// cost what they do, until it has made so many pairs.
func worked(pairs uint64, between, alloc, free time.Duration) phase {
	cpu := time.Duration(pairs) * (between + alloc + free)
	p := phase{took: cpu, cpu: cpu, frees: pairs}
	if alloc > 0 {
		p.allocs = pairs
	}
	return p
}

// What calls cost in the target is found, however much it works between them.
func TestPricesAreLearned(t *testing.T) {
	for _, between := range []time.Duration{20 * time.Nanosecond, time.Microsecond, 5 * time.Microsecond} {
		for _, factor := range []float64{0.9, 1, 1.5, 3} {
			alloc, free := time.Duration(factor*float64(testCosts.Alloc)), time.Duration(factor*float64(testCosts.Free))
			p := prices{calibrated: testCosts}
			for range 60 {
				p.add(worked(8000, between, alloc, free), worked(8000, between, 0, free))
			}
			costs, got, doubt := p.now()
			if math.Abs(got-factor) > 2*doubt*got+0.05 || math.Abs(got-factor) > 0.25*factor {
				t.Errorf("%v between calls: factor %.2f ± %.2f, want %.2f", between, got, doubt, factor)
			}
			if want := time.Duration(got * float64(testCosts.Alloc)); costs.Alloc != want {
				t.Errorf("an allocation costs %v, want %v", costs.Alloc, want)
			}
			if doubt >= priorDoubt {
				t.Errorf("%v between calls: nothing was learned", between)
			}
		}
	}
}

// How far prices may be off is a part of them, whatever calibration said before.
func TestDoubtIsAPartOfPrices(t *testing.T) {
	third := probe.Costs{Alloc: testCosts.Alloc / 3, Free: testCosts.Free / 3}
	right, wrong := prices{calibrated: testCosts}, prices{calibrated: third}
	for range 60 {
		window := worked(8000, time.Microsecond, testCosts.Alloc, testCosts.Free)
		tail := worked(8000, time.Microsecond, 0, testCosts.Free)
		right.add(window, tail)
		wrong.add(window, tail)
	}
	_, _, a := right.now()
	if _, _, b := wrong.now(); math.Abs(a-b) > 0.1*a {
		t.Errorf("doubt is %.4f where calibration was right, %.4f where it was not", a, b)
	}
}

// Where windows say little, calibration counts: there are few of them, or what the target does in
// them has little to do with its calls.
func TestPricesOfLittleEvidence(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	few, noisy := prices{calibrated: testCosts}, prices{calibrated: testCosts}
	for range 3 {
		few.add(worked(8000, time.Microsecond, 3*testCosts.Alloc, 3*testCosts.Free), worked(8000, time.Microsecond, 0, 3*testCosts.Free))
	}
	for range 100 {
		some := func() time.Duration { return time.Duration(r.ExpFloat64() * float64(time.Millisecond)) }
		noisy.add(worked(50, some(), testCosts.Alloc, testCosts.Free), worked(50, some(), 0, testCosts.Free))
	}
	for name, p := range map[string]*prices{"few": &few, "noisy": &noisy, "none": {calibrated: testCosts}} {
		if _, factor, doubt := p.now(); math.Abs(factor-1) > 0.1 || doubt < 0.8*priorDoubt {
			t.Errorf("%s: factor %.2f ± %.2f", name, factor, doubt)
		}
	}
}

// Calls cannot cost more than the target has used.
func TestPricesAreBounded(t *testing.T) {
	p := prices{calibrated: testCosts}
	for range 100 {
		w := worked(100000, 0, testCosts.Alloc, testCosts.Free)
		w.cpu = w.cpu * 85 / 100
		p.add(w, phase{frees: 100000, cpu: w.cpu})
	}
	if _, factor, _ := p.now(); factor > 0.87 {
		t.Errorf("factor %.2f, want 0.85", factor)
	}
}
