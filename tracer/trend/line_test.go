package trend

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// fitOf fits a quantity that is looked at n times, every second.
func fitOf(n int, value func(i int) float64) Fit {
	var l Line
	for i := range n {
		l.Add(time.Duration(i)*time.Second, value(i))
	}
	return l.Fit()
}

func TestFitGrowing(t *testing.T) {
	const mib = 1 << 20
	r := rand.New(rand.NewPCG(3, 4))
	tests := map[string]struct {
		n     int
		value func(i int) float64
		want  bool
		slope float64
		tol   float64
	}{
		"steady":          {31, func(i int) float64 { return float64(i) * mib }, true, mib, 1},
		"steady, hours":   {20011, func(i int) float64 { return float64(i) * 100 }, true, 100, 1},
		"steady, noisy":   {61, func(i int) float64 { return float64(i)*mib + r.Float64()*3*mib }, true, mib, 0.1 * mib},
		"by large steps":  {61, func(i int) float64 { return float64(i/9) * 9 * mib }, true, mib, 0.2 * mib},
		"too few":         {5, func(i int) float64 { return float64(i) * mib }, false, mib, 1},
		"six":             {6, func(i int) float64 { return float64(i) * mib }, true, mib, 1},
		"flat":            {31, func(int) float64 { return mib }, false, 0, 0},
		"one step":        {31, func(i int) float64 { return float64(i/15) * mib }, false, 0, mib},
		"two steps":       {31, func(i int) float64 { return float64(i/11) * mib }, false, 0, mib},
		"filled, then no": {61, func(i int) float64 { return math.Min(float64(i), 25) * mib }, false, 0, mib},
		"shrinking":       {31, func(i int) float64 { return float64(40-i) * mib }, false, -mib, 1},
		"sawtooth":        {61, func(i int) float64 { return float64(i%10) * mib }, false, 0, 0.2 * mib},
		"noise":           {61, func(int) float64 { return r.Float64() * mib }, false, 0, 0.1 * mib},
		"rising sawtooth": {121, func(i int) float64 { return float64(i)*mib/2 + float64(i%10)*mib }, true, mib / 2, 0.1 * mib},
		"returns half":    {31, func(i int) float64 { return float64(i)*mib - float64(i/30)*16*mib }, false, mib, 0.2 * mib},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := fitOf(tt.n, tt.value)
			if f.Growing() != tt.want {
				t.Errorf("growing %v, want %v: %+v", f.Growing(), tt.want, f)
			}
			if math.Abs(f.Slope-tt.slope) > tt.tol {
				t.Errorf("slope %.1f, want %.1f ± %.1f", f.Slope, tt.slope, tt.tol)
			}
			if f.Low > f.Slope || f.High < f.Slope {
				t.Errorf("slope %v is not within %v to %v", f.Slope, f.Low, f.High)
			}
		})
	}
}

// The interval holds the true slope about as often as it says.
func TestFitConfidence(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const rounds = 1009
	hit := 0
	for range rounds {
		f := fitOf(41, func(i int) float64 { return float64(i) + 10*r.NormFloat64() })
		if f.Low <= 1 && 1 <= f.High {
			hit++
		}
	}
	if part := float64(hit) / rounds; part < Confidence-0.03 || part > Confidence+0.03 {
		t.Errorf("the slope is in the interval in %.1f %% of all cases", 100*part)
	}
}

// Noise alone is hardly ever taken for growth.
func TestFitFalseAlarms(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 9))
	alarms := 0
	for range 1009 {
		if fitOf(31, func(int) float64 { return r.NormFloat64() }).Growing() {
			alarms++
		}
	}
	if alarms > 10 {
		t.Errorf("%d false alarms of 1009", alarms)
	}
}

func TestLineIsBounded(t *testing.T) {
	var l Line
	for i := range 100003 {
		l.Add(time.Duration(i)*time.Millisecond, float64(i))
		if len(l.points.kept) >= maxPoints {
			t.Fatalf("%d points are kept", len(l.points.kept))
		}
	}
	for i := 2; i < len(l.points.kept); i++ {
		a, b := l.points.kept[i-1].seconds-l.points.kept[i-2].seconds, l.points.kept[i].seconds-l.points.kept[i-1].seconds
		if math.Abs(a-b) > 1e-6 {
			t.Fatalf("points %d are at distances %v and %v", i, a, b)
		}
	}
	if f := l.Fit(); f.Change != 100002 || f.N != 100003 {
		t.Errorf("%+v", f)
	}
}

func TestFitOfNothing(t *testing.T) {
	var l Line
	if f := l.Fit(); f.Growing() || f.N != 0 {
		t.Errorf("%+v", f)
	}
	l.Add(time.Second, 1)
	l.Add(time.Second, 2)
	if f := l.Fit(); f.Growing() || f.Slope != 0 {
		t.Errorf("%+v", f)
	}
}

func BenchmarkFit(b *testing.B) {
	var l Line
	for i := range 95 {
		l.Add(time.Duration(i)*time.Second, float64(i%7+i))
	}
	for b.Loop() {
		l.Fit()
	}
}
