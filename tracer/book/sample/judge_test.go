package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"memtrace/tracer/event"
)

// world is a process with sites that allocate at a rate and free after a while, or never. It
// is watched for 25 ms of every 1.5 s.
type world struct {
	r     *rand.Rand
	s     *Set
	addr  uint64
	sites []site
	ends  map[uint64]uint64 // when blocks in the set are freed, by address, ns
}

type site struct {
	stack     event.StackID
	perMinute float64
	size      uint64
	// lifetime is exponential, in ns, or always the same; 0 is for ever.
	lifetime float64
	always   bool
	active   bool
	// from is when the site begins, until when it stops, 0 for never.
	from, until uint64
}

func newWorld(seed uint64, sites ...site) *world {
	return &world{r: rand.New(rand.NewPCG(seed, 1)), s: New(Config{}), addr: 16, sites: sites, ends: make(map[uint64]uint64)}
}

// run watches the process for so many seconds.
func (w *world) run(seconds float64) (end uint64) {
	const window, tail, period = 25e6, 20e6, 1.5e9
	for now := 1e9; now < 1e9+seconds*1e9; now += period * (0.5 + w.r.Float64()) {
		w.check(uint64(now))
		w.s.Begin(uint64(now))
		for i := range w.sites {
			w.allocate(&w.sites[i], now, window, now+window+tail)
		}
		w.s.End(uint64(now+window), true)
		end = uint64(now)
	}
	w.check(end)
	return end
}

func (w *world) allocate(s *site, now, window, tailEnd float64) {
	perNanosecond := s.perMinute / 60e9
	for t := now + w.r.ExpFloat64()/perNanosecond; t < now+window; t += w.r.ExpFloat64() / perNanosecond {
		if s.until > 0 && uint64(t) > s.until {
			return
		}
		if uint64(t) < s.from {
			continue
		}
		w.addr += 16
		w.s.Apply(alloc(w.addr, s.size, uint64(s.stack), uint64(t)))
		if s.lifetime == 0 {
			continue
		}
		lived := w.r.ExpFloat64()
		if s.always {
			lived = 1
		}
		if end := t + lived*s.lifetime; end < tailEnd {
			w.s.Apply(free(w.addr, uint64(end)))
		} else {
			w.ends[w.addr] = uint64(end)
		}
	}
}

// check tells the set what is free by now.
func (w *world) check(now uint64) {
	for _, c := range w.s.Candidates(nil, true) {
		end, ends := w.ends[c.Address]
		for i := range w.sites {
			if w.sites[i].active && w.s.blocks[c.Address].stack.id == w.sites[i].stack {
				c.Print = now
			}
		}
		if ends && end < now {
			delete(w.ends, c.Address)
			w.s.Checked(&c, true, now)
		} else {
			w.s.Checked(&c, false, now)
		}
	}
}

// classes returns the classes by stack.
func classes(snap Snapshot) map[event.StackID]Class {
	m := make(map[event.StackID]Class)
	for _, e := range snap.Estimates {
		m[e.ID] = e.Class
	}
	return m
}

// churn is what innocent sites do.
var churn = []site{
	{stack: 10, perMinute: 3e5, size: 64, lifetime: 1e8},
	{stack: 11, perMinute: 2e4, size: 64, lifetime: 2e9},
	{stack: 12, perMinute: 5e3, size: 64, lifetime: 10e9},
}

func TestLeaksAreFound(t *testing.T) {
	leaks := []site{
		{stack: 1, perMinute: 300, size: 100},
		{stack: 2, perMinute: 2000, size: 100},
		{stack: 3, perMinute: 20000, size: 100},
		{stack: 4, perMinute: 1000, size: 100, active: true},
	}
	missed, hidden, held, made := 0, 0, 0, 0
	const runs = 50
	for seed := range uint64(runs) {
		w := newWorld(seed, append(leaks, churn...)...)
		snap := w.s.Snapshot(w.run(120))
		got := classes(snap)
		for _, l := range leaks {
			want := Leak
			if l.active {
				want = Active
			}
			if got[l.stack] != want {
				missed++
			}
			if got[l.stack] != want && got[l.stack] != Possible {
				hidden++
			}
		}
		for _, e := range snap.Estimates {
			if e.ID >= 10 && (e.Class.Suspect() || e.Class == Possible) {
				t.Errorf("run %d: stack %d is called a %s: %+v", seed, e.ID, e.Class, e)
			}
			if e.Confidence >= 1 {
				t.Errorf("run %d: stack %d has a confidence of 1, which no sample gives", seed, e.ID)
			}
			if e.ID < 10 {
				made++
				if truth := leaks[e.ID-1].perMinute / 60; e.BlocksPerSecond.Low <= truth && truth <= e.BlocksPerSecond.High {
					held++
				}
			}
		}
	}
	// The rarest leak has about 6 survivors, and now and then too few.
	if missed > runs*len(leaks)/50 {
		t.Errorf("%d of %d leaks not found", missed, runs*len(leaks))
	}
	if hidden > missed/2 {
		t.Errorf("%d of the %d that are not called leaks are not called possible ones", hidden, missed)
	}
	if held*100 < made*92 {
		t.Errorf("%d of %d intervals hold the truth, want 95 %%", held, made)
	}
}

// Memory that is filled once and blocks that live long are not leaks.
func TestNoLeaks(t *testing.T) {
	sites := []site{
		{stack: 1, perMinute: 5e4, size: 100, until: 30e9},
		{stack: 2, perMinute: 5e4, size: 100, lifetime: 30e9},
	}
	for seed := range uint64(20) {
		w := newWorld(seed, append(sites, churn...)...)
		end := w.run(240)
		got := classes(w.s.Snapshot(end))
		if got[1] != Stopped {
			t.Errorf("run %d: a cache that was filled once is %s", seed, got[1])
		}
		for id, class := range got {
			if class.Suspect() || class == Possible {
				t.Errorf("run %d: stack %d is called a %s", seed, id, class)
			}
		}
	}
}

// Active blocks that live long do not make idle ones wait.
func TestMaturity(t *testing.T) {
	handedOn := site{stack: 13, perMinute: 20000, size: 64, lifetime: 30e9, active: true}
	w := newWorld(1, site{stack: 1, perMinute: 600, size: 100}, handedOn)
	snap := w.s.Snapshot(w.run(240))
	for _, e := range snap.Estimates {
		want := minMaturity
		if e.ID == handedOn.stack {
			want = 80 * time.Second // a third of the time
		}
		if e.Maturity < want-2*time.Second || e.Maturity > want {
			t.Errorf("stack %d counts from windows %v old on, want %v", e.ID, e.Maturity, want)
		}
	}
	if got := classes(snap); got[1] != Leak || got[13].Suspect() || snap.Maturity != minMaturity {
		t.Errorf("%v, from %v on", got, snap.Maturity)
	}
}

// If the leaking stack also has blocks that live long, these do not count as leaked, even
// though most blocks overall die young.
func TestLeakAmongLongLived(t *testing.T) {
	const runs = 10
	held := 0
	for seed := range uint64(runs) {
		w := newWorld(seed,
			site{stack: 1, perMinute: 1200, size: 100}, site{stack: 1, perMinute: 12000, size: 100, lifetime: 15e9},
			site{stack: 2, perMinute: 2e6, size: 100, lifetime: 3e7})
		e := w.s.Snapshot(w.run(240)).Estimates[0]
		if e.BlocksPerSecond.Low <= 20 && 20 <= e.BlocksPerSecond.High {
			held++
		}
	}
	if held < runs-2 {
		t.Errorf("%d of %d intervals hold the true rate", held, runs)
	}
}

// Survivors may be active at ages that the stack's own blocks do not reach, but not among
// those that count elsewhere. They are judged like active ones.
func TestActiveWhenOld(t *testing.T) {
	s := New(Config{})
	addr := uint64(16)
	// born opens a window at the time at, with n blocks born in it, and returns their
	// addresses.
	born := func(at uint64, stack uint64, n int) (stay []uint64) {
		s.Begin(at)
		for range n {
			addr += 16
			apply(s, alloc(addr, 8, stack, at))
			stay = append(stay, addr)
		}
		s.End(at+second/50, true)
		return stay
	}
	var old []uint64
	for at := uint64(10); at < 60; at += 10 {
		old = append(old, born(at*second, 1, 1)...)
	}
	for _, a := range born(60*second, 1, 4) {
		apply(s, free(a, 110*second)) // 50 s old
	}
	for _, a := range born(70*second, 2, 400) {
		apply(s, free(a, 71*second))
	}
	for at := uint64(200); at < 230; at += 5 {
		born(at*second, 1, 1)
	}
	for check := range uint64(2) {
		for _, c := range s.Candidates(nil, true) {
			if slices.Contains(old, c.Address) {
				c.Print = check
			}
			s.Checked(&c, false, 239*second)
		}
	}
	e := s.Snapshot(250 * second).Estimates[0]
	if e.Active.Blocks != 5 || e.Survivors.Blocks != 5 || e.Maturity < 60*time.Second {
		t.Fatalf("%+v, want 5 active survivors and no other", e)
	}
	if math.IsNaN(e.Confidence) || math.IsNaN(e.BytesPerSecond.Low) || e.Class != Undecided {
		t.Errorf("%+v", e)
	}
}

// A Set with no windows, and one whose only window is young, have nothing to say.
func TestTooEarly(t *testing.T) {
	s := New(Config{})
	if snap := s.Snapshot(5); len(snap.Estimates) != 0 {
		t.Errorf("%+v", snap)
	}
	s.Begin(second)
	apply(s, alloc(16, 8, 1, second), alloc(32, 0, 1, second))
	s.End(second, true)
	for _, now := range []uint64{0, second, 2 * second} {
		if e := s.Snapshot(now).Estimates[0]; e.Class != Undecided {
			t.Errorf("at %d: %+v", now, e)
		}
	}
}

// A day of windows is judged as fast as an hour, and by the same rules.
func TestManyWindows(t *testing.T) {
	w := newWorld(1, append([]site{{stack: 1, perMinute: 600, size: 100}}, churn...)...)
	end := w.run(3600)
	snap := w.s.Snapshot(end)
	if got := classes(snap); got[1] != Leak || got[11].Suspect() || got[12].Suspect() {
		t.Errorf("%v of %d windows", got, snap.Windows)
	}
	if snap.Windows < 10*maxEras {
		t.Fatalf("%d windows", snap.Windows)
	}
	c := w.s.census(end, w.s.maturity(end, 0))
	parts := 0.0
	for _, e := range c.eras {
		parts += e.part
	}
	if len(c.eras) > maxEras || parts < 0.999 || parts > 1.001 {
		t.Errorf("%d eras, %v of the time", len(c.eras), parts)
	}
}
