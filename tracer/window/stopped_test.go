package window

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// stop is how long memtrace is stopped in these tests.
const stop = time.Minute

// runStopped runs a loop whose book and checker are given.
func runStopped(t *testing.T, s *simulated, overhead float64, book Book, checker Checker) Spending {
	own := func() time.Duration { defer s.now()(); return s.own }
	l := New(Config{
		MaxOverhead: overhead, MaxStall: 50 * time.Millisecond, Costs: s.costs, Delay: lookDelay,
		OwnTime: own, Logf: t.Logf, GiveUp: func(what string) { t.Errorf("%s hangs", what) },
	}, s, book, checker)
	l.Start(time.Now())
	time.Sleep(20 * time.Minute)
	l.Finish()
	return l.Spent()
}

// inWindows is a book that stops memtrace in one window, and with its inTail in one tail.
type inWindows struct {
	*simulated
	window, tail, stopped int
	began                 time.Time
	length, watched       time.Duration
	whole                 []bool
}

func (s *inWindows) stopIn(window int) {
	s.mu.Lock()
	now := s.windows == window && s.stopped != window
	if now {
		s.stopped = window
	}
	s.mu.Unlock()
	if now {
		time.Sleep(stop)
	}
}

func (s *inWindows) Calls() Calls {
	s.stopIn(s.window)
	return s.simulated.Calls()
}

// inTail is the checker.
type inTail struct {
	idleChecker
	book *inWindows
}

func (s inTail) Fingerprint() { s.book.stopIn(s.book.tail) }

func (s *inWindows) Begin() {
	s.began = time.Now()
	s.simulated.Begin()
}

func (s *inWindows) Cut() uint64 {
	s.length = time.Since(s.began)
	return s.simulated.Cut()
}

func (s *inWindows) End(cut uint64, complete bool) {
	if s.whole = append(s.whole, complete); complete {
		s.watched += s.length
	}
	s.simulated.End(cut, complete)
}

// A window in which memtrace was stopped does not count, and was not watched. Those before and
// after it do count.
func TestWindowOverStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &inWindows{simulated: newSimulated(steady(1e6)), window: 4, tail: 7}
		spent := runStopped(t, s.simulated, 0.1, s, inTail{book: s})
		if len(s.whole) < 12 {
			t.Fatalf("%d windows", len(s.whole))
		}
		for i, whole := range s.whole[:len(s.whole)-1] { // the end of the trace may cut the last one
			if number := i + 1; whole == (number == s.window || number == s.tail) {
				t.Errorf("window %d counts: %v", number, whole)
			}
		}
		if (spent.Watched - s.watched).Abs() > time.Second {
			t.Errorf("%v count as watched, %v were", spent.Watched, s.watched)
		}
	})
}

// behind is a book whose reader is stopped for a while, and then behind until it is synced.
type behind struct {
	*simulated
	stopped bool
	read    Calls // what was read, while the reader is behind
	is      bool
}

func (s *behind) AlarmAfter(calls uint64) <-chan struct{} {
	if !s.stopped && time.Since(s.start) > 5*time.Second {
		s.stopped, s.is, s.read = true, true, s.simulated.Calls()
		time.Sleep(stop)
	}
	bell := s.simulated.AlarmAfter(calls)
	if s.is {
		time.Sleep(10 * time.Millisecond) // so many are read in that time
		s.read.Allocs += calls / 2
		s.read.Frees += calls / 2
		s.is = s.read.Allocs < s.simulated.Calls().Allocs
		rung := make(chan struct{}, 1)
		rung <- struct{}{}
		return rung
	}
	return bell
}

func (s *behind) Calls() Calls {
	if s.is {
		return s.read
	}
	return s.simulated.Calls()
}

func (s *behind) Sync(context.Context, time.Duration) { s.is = false }

// What was recorded while memtrace was stopped is read at once afterwards. It must not pass for
// a burst of calls that costs too much to be traced.
func TestExactOverStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &behind{simulated: newSimulated(steady(4000))}
		runStopped(t, s.simulated, 0.03, s, idleChecker{})
		if !s.exact || !s.stopped {
			t.Errorf("exact %v, stopped %v", s.exact, s.stopped)
		}
	})
}
