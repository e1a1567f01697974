package trend

import (
	"math"
	"testing"
	"time"
)

const second = uint64(time.Second)

func TestSlope(t *testing.T) {
	const mib = 1 << 20
	tests := map[string]struct {
		// value is the quantity at a time since its Series began.
		value func(at time.Duration) uint64
		run   time.Duration
		// born is how long after the origin the Series began.
		born time.Duration
		want float64
		tol  float64
	}{
		"steady leak": {
			value: func(at time.Duration) uint64 { return uint64(at.Seconds() * mib) },
			run:   30 * time.Second, want: mib, tol: 0.01 * mib,
		},
		"steady leak, hours": {
			value: func(at time.Duration) uint64 { return uint64(at.Seconds() * 100) },
			run:   5 * time.Hour, want: 100, tol: 1,
		},
		"steady leak, half a second": {
			value: func(at time.Duration) uint64 { return uint64(at.Seconds() * mib) },
			run:   500 * time.Millisecond, want: mib, tol: 0.01 * mib,
		},
		"shrinking": {
			value: func(at time.Duration) uint64 { return 100*mib - uint64(at.Seconds()*mib) },
			run:   30 * time.Second, want: -mib, tol: 0.01 * mib,
		},
		"flat": {
			value: func(time.Duration) uint64 { return mib },
			run:   30 * time.Second,
		},
		"one jump at birth": {
			value: func(at time.Duration) uint64 { return min(uint64(at), 1) * mib },
			run:   30 * time.Second,
		},
		"one jump in the middle": {
			value: func(at time.Duration) uint64 { return 1 + uint64(at/(15*time.Second))*mib },
			run:   29 * time.Second,
		},
		// Filled in half the time, then used: the size varies by 1 %.
		"filled slowly": {
			value: func(at time.Duration) uint64 {
				return uint64(min(at.Seconds(), 15)*mib) + uint64(at%(7*time.Millisecond))*mib/100/1e7
			},
			run: 30 * time.Second,
		},
		"grows after a peak at the start": {
			value: func(at time.Duration) uint64 {
				if at < 2*time.Second {
					return 100 * mib
				}
				return uint64(at.Seconds() * mib)
			},
			run: 30 * time.Second, want: mib, tol: 0.1 * mib,
		},
		"grows by rare steps": {
			value: func(at time.Duration) uint64 { return uint64(at/(9*time.Second)) * 9 * mib },
			run:   30 * time.Second, want: mib, tol: 0.3 * mib,
		},
		"sawtooth that rises": {
			value: func(at time.Duration) uint64 { return uint64(at.Seconds()*mib) + uint64(at%time.Second)/500 },
			run:   30 * time.Second, want: mib, tol: 0.1 * mib,
		},
		"sawtooth": {
			value: func(at time.Duration) uint64 { return uint64(at%time.Second) / 1000 },
			// Noise: anything far below its height over the run will do.
			run: 30 * time.Second, tol: 0.03 * 1e6,
		},
		"too young for samples": {
			value: func(time.Duration) uint64 { return mib },
			run:   200 * time.Millisecond, want: 5 * mib, tol: 1,
		},
		"born late in a long run": {
			value: func(time.Duration) uint64 { return mib },
			run:   200 * time.Millisecond, born: 9800 * time.Millisecond, want: mib / 10, tol: 1,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			const origin = 1000 * second
			start := origin + uint64(tt.born)
			var s Series
			step := max(tt.run/9973, time.Millisecond)
			var last uint64
			for at := time.Duration(0); at <= tt.run; at += step {
				s.Advance(start+uint64(at), last)
				last = tt.value(at)
			}
			got := s.Slope(origin, start+uint64(tt.run), last)
			if math.Abs(got-tt.want) > tt.tol {
				t.Errorf("slope %.1f, want %.1f ± %.1f", got, tt.want, tt.tol)
			}
		})
	}
}

// A single step must read as no growth, wherever it falls.
func TestSpan(t *testing.T) {
	var s Series
	if got := s.Span(5 * second); got != 0 {
		t.Errorf("nothing was followed, for %d ns", got)
	}
	const begin = 7 * second
	for at := begin; at < begin+100*second; at += second / 20 {
		s.Advance(at, at)
		if got := s.Span(at + 3); got != at+3-begin {
			t.Fatalf("after %d ns: %d ns", at+3-begin, got)
		}
	}
}

func TestSlopeOfAnyStep(t *testing.T) {
	for run := 400 * time.Millisecond; run < 20*time.Second; run += 170 * time.Millisecond {
		for part := 1; part < 20; part++ {
			var s Series
			jump := uint64(run) * uint64(part) / 20
			s.Advance(second, 0)
			s.Advance(second+jump, 64)
			if got := s.Slope(second, second+uint64(run), 4096); got != 0 {
				t.Fatalf("run %v, step after %v: slope %v", run, time.Duration(jump), got)
			}
		}
	}
}

func TestSlopeCarriesTheValueOverSilence(t *testing.T) {
	var s Series
	for at := range uint64(20) {
		s.Advance(second+at*second/10, at*100)
	}
	// It grew for 2 s, then nothing happened for an hour.
	if got := s.Slope(second, 3600*second, 2000); got != 0 {
		t.Errorf("slope %v, want 0", got)
	}
}

func TestSlopeOutOfOrder(t *testing.T) {
	var s Series
	s.Advance(10*second, 0)
	s.Advance(5*second, 7)
	if got := s.Slope(10*second, 5*second, 7); got != 0 {
		t.Errorf("slope before the origin %v, want 0", got)
	}
}

func TestRecent(t *testing.T) {
	c := NewClock(800 * time.Millisecond)
	ms := uint64(time.Millisecond)
	var r Recent
	for at := uint64(0); at < 2000; at += 10 {
		r.Add(c.Bucket(at * ms))
	}
	// Now is 2000 ms, so the window began at 1200.
	bucket, start := c.Boundary(2000*ms, 800*time.Millisecond)
	if start != 1200*ms {
		t.Fatalf("window starts at %d ms, want 1200", start/ms)
	}
	if got := r.Since(bucket); got != 80 {
		t.Errorf("%d in the window, want 80", got)
	}
	r.Take(c.Bucket(1500 * ms))
	r.Take(c.Bucket(100 * ms)) // long forgotten
	if got := r.Since(bucket); got != 79 {
		t.Errorf("%d in the window after taking one, want 79", got)
	}
	r.Add(c.Bucket(100 * ms))
	if got := r.Since(bucket); got != 79 {
		t.Errorf("%d in the window after adding an old one, want 79", got)
	}
	// A window that ends inside a bucket begins inside one, which counts whole.
	bucket, start = c.Boundary(2050*ms, 800*time.Millisecond)
	if start != 1200*ms || r.Since(bucket) != 79 {
		t.Errorf("start %d ms, %d in the window; want 1200, 79", start/ms, r.Since(bucket))
	}
	if bucket, start = c.Boundary(2000*ms, time.Hour); start != 1200*ms {
		t.Errorf("an age beyond the window starts at %d (bucket %d), want 1200", start/ms, bucket)
	}
	r.Add(c.Bucket(100_000 * ms))
	if got := r.Since(0); got != 1 {
		t.Errorf("%d kept after a long silence, want 1", got)
	}
	if bucket, start = c.Boundary(100*ms, 800*time.Millisecond); bucket != 0 || start != 0 {
		t.Errorf("boundary before time began: %d, %d", bucket, start)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	var s Series
	var r Recent
	c := NewClock(time.Second)
	now := second
	allocs := testing.AllocsPerRun(100, func() {
		now += second / 3
		s.Advance(now, now)
		r.Add(c.Bucket(now))
		s.Slope(second, now, now)
	})
	if allocs != 0 {
		t.Errorf("%v allocations per round, want 0", allocs)
	}
}

// What a Series has kept must be what the quantity was at those moments.
func TestSamples(t *testing.T) {
	var s Series
	if got := s.Samples(second, 7); got != nil {
		t.Errorf("nothing was followed: %v", got)
	}
	const step = second / 1000
	last := uint64(0)
	for at := second; at <= 300*second; at += step {
		s.Advance(at, last)
		last = at - second
	}
	got := s.Samples(300*second+5, last)
	if len(got) < maxSamples/2 || got[len(got)-1] != (Sample{300*second + 5, last}) {
		t.Fatalf("%d samples, the last %v", len(got), got[len(got)-1])
	}
	for i, p := range got {
		if want := p.At - second; p.Value > want || p.Value+2*step < want {
			t.Errorf("sample %d: %d at %d", i, p.Value, p.At)
		}
		if i > 0 && p.At <= got[i-1].At {
			t.Errorf("sample %d: %d comes after %d", i, p.At, got[i-1].At)
		}
	}
	var young Series
	young.Advance(second, 0)
	if got := young.Samples(second+5, 64); len(got) != 1 || got[0] != (Sample{second + 5, 64}) {
		t.Errorf("a young series has %v", got)
	}
}
