package window

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"memtrace/tracer/probe"
)

// simulated is a target on the clock of a synctest bubble. Its threads are always busy, allocate and
// free at a given rate, and lose time to every probe that they meet.
type simulated struct {
	threads float64
	rate    func(at time.Duration) float64 // of each thread, pairs a second without probes
	costs   probe.Costs

	mu    sync.Mutex
	start time.Time
	at    time.Time // simulated up to here
	gate  probe.Gate
	exact bool // all probes are in place
	calls Calls
	cut   bool
	alarm uint64
	bell  chan struct{}
	// lost is the time that probes took from each thread in all, inWindow in the open window;
	// longest is the most that one window took.
	lost, inWindow, longest time.Duration
	// began and ended are when the first window did.
	began, ended time.Duration
	believed     time.Duration // lost, by the loop's account
	// done is how many pairs there were, slowed how many of them met probes that make work take a
	// tenth longer or more.
	done, slowed     float64
	windows, dropped int
	own              time.Duration
}

const lookDelay = 5 * time.Millisecond

func newSimulated(rate func(time.Duration) float64) *simulated {
	return &simulated{
		threads: 1, rate: rate, costs: probe.Costs{Alloc: 2 * time.Microsecond, Free: time.Microsecond},
		start: time.Now(), at: time.Now(), gate: probe.GateAll, exact: true, bell: make(chan struct{}, 1), alarm: math.MaxUint64,
	}
}

// advance simulates up to now, in steps short enough for the rate to hardly change.
func (s *simulated) advance() {
	const step = time.Millisecond
	for now := time.Now(); s.at.Before(now); {
		d := min(step, now.Sub(s.at))
		rate := s.rate(s.at.Sub(s.start))
		var cost time.Duration // of a pair
		if s.gate&probe.GateAllocs != 0 {
			cost += s.costs.Alloc
		}
		if s.gate&probe.GateFrees != 0 {
			cost += s.costs.Free
		}
		pairs := rate * d.Seconds() / (1 + rate*cost.Seconds())
		lost := time.Duration(pairs * float64(cost))
		pairs *= s.threads
		if s.done += pairs; rate*cost.Seconds() > slightly {
			s.slowed += pairs
		}
		s.lost += lost
		s.inWindow += lost
		if s.gate&probe.GateAllocs != 0 {
			s.calls.Allocs += uint64(pairs)
			s.own += time.Duration(pairs * float64(readCost))
		}
		if s.gate&probe.GateFrees != 0 {
			s.own += time.Duration(pairs * float64(readCost))
			if s.cut {
				s.calls.Late += uint64(pairs)
			} else {
				s.calls.Frees += uint64(pairs)
			}
		}
		s.at = s.at.Add(d)
	}
	if s.calls.Allocs+s.calls.Frees >= s.alarm {
		s.alarm = math.MaxUint64
		select {
		case s.bell <- struct{}{}:
		default:
		}
	}
}

// now simulates up to now and keeps the lock.
func (s *simulated) now() (unlock func()) {
	s.mu.Lock()
	s.advance()
	return s.mu.Unlock
}

func (s *simulated) Attach() (births, ends probe.Links, since time.Time, err error) {
	since = time.Now()
	time.Sleep(2 * time.Millisecond)
	return nil, nil, since, nil
}

func (s *simulated) LeaveExact() probe.Links {
	defer s.now()()
	s.gate, s.exact = probe.GateCalls, false
	return nil
}

func (s *simulated) Close(probe.Links) error { time.Sleep(150 * time.Millisecond); return nil }

func (s *simulated) SetGate(g probe.Gate) error {
	defer s.now()()
	s.gate = g
	return nil
}

func (s *simulated) LeftAlone(ctx context.Context) bool { return ctx.Err() == nil }
func (s *simulated) Gone() bool                         { return false }

func (s *simulated) Calls() Calls {
	defer s.now()()
	return s.calls
}

func (s *simulated) AlarmAfter(calls uint64) <-chan struct{} {
	defer s.now()()
	s.alarm = s.calls.Allocs + s.calls.Frees + calls
	return s.bell
}

func (s *simulated) ProcessorTime() time.Duration {
	return time.Duration(s.threads * float64(time.Since(s.start)))
}

func (s *simulated) Waited() time.Duration { return 0 }

func (s *simulated) Begin() {
	defer s.now()()
	if s.windows++; s.windows == 1 {
		s.began = time.Since(s.start)
	}
	s.inWindow, s.cut = 0, false
}

func (s *simulated) Cut() uint64 {
	defer s.now()()
	s.cut = true
	if s.windows == 1 {
		s.ended = time.Since(s.start)
	}
	return uint64(time.Since(s.start))
}

func (s *simulated) End(_ uint64, complete bool) {
	defer s.now()()
	if s.longest = max(s.longest, s.inWindow); !complete {
		s.dropped++
	}
}

func (s *simulated) Young() int                          { return 1 }
func (s *simulated) Watch(bool)                          {}
func (s *simulated) Sync(context.Context, time.Duration) {}

// idleChecker has no blocks to look at.
type idleChecker struct{}

func (idleChecker) Check(bool) time.Duration { return 0 }
func (idleChecker) Fingerprint()             {}
func (idleChecker) Close()                   {}

// simulate runs a loop for some time and returns the target.
func simulate(t *testing.T, overhead float64, length time.Duration, rate func(time.Duration) float64) (s *simulated) {
	t.Helper()
	return simulateDear(t, overhead, 1, 1, length, rate)
}

// simulateDear is simulate for a target of several threads whose calls cost so many times what
// calibration said.
func simulateDear(t *testing.T, overhead, threads, times float64, length time.Duration, rate func(time.Duration) float64) (s *simulated) {
	t.Helper()
	return simulateSlowed(t, overhead, 0, threads, times, length, rate)
}

// simulateSlowed is simulateDear where windows may slow a part of the target's work alone.
func simulateSlowed(t *testing.T, overhead, slowed, threads, times float64, length time.Duration, rate func(time.Duration) float64) (s *simulated) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s = newSimulated(rate)
		s.threads = threads
		own := func() time.Duration { defer s.now()(); return s.own }
		calibrated := s.costs
		s.costs.Alloc, s.costs.Free = time.Duration(times*float64(s.costs.Alloc)), time.Duration(times*float64(s.costs.Free))
		l := New(Config{
			MaxOverhead: overhead, MaxSlowed: slowed, MaxStall: 50 * time.Millisecond, Costs: calibrated, Delay: lookDelay,
			OwnTime: own, Logf: t.Logf, GiveUp: func(what string) { t.Errorf("%s hangs", what) },
		}, s, s, idleChecker{})
		l.Start(time.Now())
		time.Sleep(length)
		l.Finish()
		spent := l.Spent()
		s.believed = spent.Stalled()
		t.Logf("%d windows, %v lost (%.2f %%), at most %v in one; %v spent by its own account",
			s.windows, s.lost, 100*s.lost.Seconds()/length.Seconds(), s.longest, spent.Total())
	})
	return s
}

func steady(pairs float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return pairs }
}

// bursts returns a rate that packs so many pairs into the first tenth of every period.
func bursts(pairs float64, period time.Duration) func(time.Duration) float64 {
	return func(at time.Duration) float64 {
		if at%period < period/10 {
			return pairs / (period / 10).Seconds()
		}
		return 0
	}
}

// A target that allocates little is traced exactly to the end.
func TestQuietIsExact(t *testing.T) {
	s := simulate(t, 0.03, time.Minute, steady(2000))
	if !s.exact || s.windows > 0 {
		t.Errorf("%d windows for 2,000 pairs a second", s.windows)
	}
}

// Where calls obviously cost too much, the first window comes at once: a short trace has one, too.
func TestFirstWindowComesAtOnce(t *testing.T) {
	if s := simulate(t, 0.005, time.Second, steady(10e6)); s.windows == 0 || s.began > 2*trialWindow {
		t.Errorf("%d windows, the first after %v", s.windows, s.began)
	}
}

// The first window of a target with many threads stays open for longer, too, as long as it costs
// each of them next to nothing.
func TestFirstWindowOfManyThreads(t *testing.T) {
	s := simulateDear(t, 0.005, 16, 1, 5*time.Second, steady(7e3))
	if open := s.ended - s.began; s.windows == 0 || open < patient*trialWindow/2 {
		t.Errorf("%d windows, the first for %v", s.windows, open)
	}
}

// A target that allocates much loses no more than allowed, in all and in one window, and
// windows keep coming.
func TestBudgetHolds(t *testing.T) {
	const length = 2 * time.Minute
	for name, rate := range map[string]func(time.Duration) float64{
		"30,000 a second":      steady(30e3),
		"a million a second":   steady(1e6),
		"ten million a second": steady(10e6),
		"bursts":               bursts(2000, 100*time.Millisecond),
		"large bursts":         bursts(500e3, time.Second),
		"grows": func(at time.Duration) float64 {
			return 1e3 * math.Pow(10, at.Minutes()*2)
		},
	} {
		for _, overhead := range []float64{0.005, 0.01, 0.03, 0.1} {
			t.Run(fmt.Sprintf("%s, %g", name, overhead), func(t *testing.T) {
				s := simulate(t, overhead, length, rate)
				// The trial at the start comes on top of the budget and has to be paid off.
				if part := s.lost.Seconds() / length.Seconds(); part > overhead {
					t.Errorf("%.2f %% were lost, %.0f %% may be", 100*part, 100*overhead)
				}
				// The cost of a window is checked every 10 ms.
				if most := 50*time.Millisecond + 2*lookDelay; s.longest > most {
					t.Errorf("one window took %v, more than %v", s.longest, most)
				}
				if s.exact {
					return
				}
				if s.windows < 10 || s.dropped > 1 {
					t.Errorf("%d windows, %d of them dropped", s.windows, s.dropped)
				}
			})
		}
	}
}

// Windows slow no more of the target's work than they may, on the average of ten seconds and more. The
// budget alone lets them slow more where each call is slowed by little.
func TestSlowedHolds(t *testing.T) {
	const length = 20 * time.Minute
	share := func(s *simulated) float64 { return s.slowed / s.done }
	for name, rate := range map[string]func(time.Duration) float64{
		"60,000 a second":     steady(6e4),
		"200,000 a second":    steady(2e5),
		"ten million":         steady(10e6),
		"bursts each 100 ms":  bursts(1e4, 100*time.Millisecond),
		"busy after 1 minute": func(at time.Duration) float64 { return 2e5 * min(1, math.Floor(at.Minutes())) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, most := range []float64{0.002, 0.01} {
				s := simulateSlowed(t, 0.03, most, 1, 1, length, rate)
				// Ten seconds that were saved may be spent, and the start has to be paid off.
				if got := share(s); got > most*1.1 || s.windows < 3 {
					t.Errorf("%.2f %% of the work was slowed in %d windows, %.1f %% may be", 100*got, s.windows, 100*most)
				}
			}
		})
	}
	if got := share(simulate(t, 0.03, length, steady(6e4))); got < 0.02 {
		t.Errorf("%.2f %% were slowed without a bound", 100*got)
	}
}

// Probes that cost three times what calibration said are found out, and windows become fewer. What
// the loop believes to have cost is what did.
func TestBudgetHoldsWherePricesAreWrong(t *testing.T) {
	const length = 5 * time.Minute
	for name, rate := range map[string]func(time.Duration) float64{
		"a hundred thousand a second": steady(1e5),
		"half a million a second":     steady(5e5),
		"ten million a second":        steady(10e6),
	} {
		t.Run(name, func(t *testing.T) {
			s := simulateDear(t, 0.03, 1, 3, length, rate)
			if part := s.lost.Seconds() / length.Seconds(); part > 0.03 {
				t.Errorf("%.2f %% were lost, 3 %% may be", 100*part)
			}
			if ratio := s.believed.Seconds() / s.lost.Seconds(); ratio < 1/1.3 || ratio > 1.3 {
				t.Errorf("%v were lost, %v by the loop's account", s.lost, s.believed)
			}
		})
	}
}
