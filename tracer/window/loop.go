package window

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"memtrace/symbolize/patience"
	"memtrace/tracer/probe"
)

// Loop keeps tracing within its budget. It begins with all probes in place. Once they cost
// more than allowed, it takes them away, and from then on puts them back for windows of some
// milliseconds.
type Loop struct {
	cfg     Config
	probes  Probes
	book    Book
	checker Checker
	budget  budget
	slowing slowing
	plan    plan
	start   time.Time
	done    sync.WaitGroup
	stop    context.CancelFunc
	// finished makes Finish run once.
	finished sync.Once
	// closing waits for probes that are being taken away.
	closing sync.WaitGroup
	// busy and ready are those of phase, in the last pause, or before the first window.
	busy, ready float64
	prices      prices
	// checked is how long the last look at all candidates took.
	checked time.Duration

	mu    sync.Mutex // guards spent
	spent Spending
}

const (
	// checkInterval is how often all blocks are looked at, on average, where tracing may cost
	// usualOverhead or more. checkShare is the most of a processor that this may take.
	checkInterval = 500 * time.Millisecond
	usualOverhead = 0.03
	checkShare    = 0.005
)

// Spending is what tracing has cost since it began.
type Spending struct {
	// calibrated is how long the target was stalled, by the prices of calibration, and factor is
	// how many times as high they are.
	calibrated, factor float64
	own                time.Duration
	owners             float64 // of memtrace's own time, on average over the phases
	phases             int
	// Watched is the time of windows without their tails. Slowed is the part of it that was
	// stalled.
	Watched, Slowed time.Duration
	// Costs is what calls are taken to cost, give or take the part Doubt of it.
	Costs probe.Costs
	Doubt float64
}

// Stalled is how long probes kept the target from its work.
func (s *Spending) Stalled() time.Duration { return time.Duration(s.calibrated * s.factor) }

// Total is all of it, as time of the target.
func (s *Spending) Total() time.Duration {
	return s.Stalled() + time.Duration(float64(s.own)/max(s.owners, 1))
}

// Spent returns what tracing has cost so far.
func (l *Loop) Spent() Spending {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.spent
	s.Costs, s.factor, s.Doubt = l.prices.now()
	return s
}

// Costs returns what the loop takes calls to cost.
func (l *Loop) Costs() probe.Costs { return l.budget.cost }

// New makes a Loop that is not started. Every call must already be traced when Start is
// called.
func New(cfg Config, probes Probes, book Book, checker Checker) *Loop {
	return &Loop{
		cfg: cfg, probes: probes, book: book, checker: checker,
		budget:  budget{max: cfg.MaxOverhead, stall: cfg.MaxStall, cost: cfg.Costs},
		slowing: slowing{max: cfg.MaxSlowed},
		prices:  prices{calibrated: cfg.Costs},
		plan:    plan{window: trialWindow, tail: maxTail},
		stop:    func() {},
	}
}

// Start runs the loop beside its caller. Tracing began at the time began.
func (l *Loop) Start(began time.Time) {
	ctx, cancel := context.WithCancel(context.Background())
	l.start, l.stop = began, cancel
	l.done.Go(func() {
		defer l.checker.Close()
		if costly, ok := l.outgrow(ctx); ok {
			l.busy, l.ready = costly.busy, costly.ready
			l.leaveExact(costly)
			l.slowing.pause(l.budget.work(watched{window: costly}), time.Since(l.start))
			l.sample(ctx)
			l.closing.Wait()
			l.checker.Check(true)
		}
	})
}

// Finish ends the work. Afterwards the gate is shut and no probe of a window is left, unless
// the work hangs: then Finish does not wait for it.
func (l *Loop) Finish() {
	l.finished.Do(func() {
		l.stop()
		// The work takes a window's probes away first, then looks at blocks.
		if !patience.Wait(2*patience.Limit, l.done.Wait) {
			l.cfg.GiveUp("the last look at blocks")
		}
	})
}

// outgrow waits, while every call is traced, until that costs more than allowed, and returns
// the phase in which it did. It returns false when the trace ends first.
func (l *Loop) outgrow(ctx context.Context) (phase, bool) {
	m := l.meter()
	if !sleep(ctx, trialWindow) {
		return phase{}, false
	}
	l.book.Sync(ctx, trialWindow)
	trial := m.read()
	l.account(trial, watched{}, trial.own)
	// So short a time says little about a process that works in bursts.
	const beyondDoubt = 10
	if l.budget.perCall(trial) > beyondDoubt*l.budget.max {
		return trial, true
	}
	const (
		tick = 250 * time.Millisecond
		over = 6 // ticks to average the cost over
	)
	var ticks [over]phase
	for i := 0; ; i++ {
		m = l.meter()
		waited := l.book.Waited()
		if !sleepUntil(ctx, tick, l.book.AlarmAfter(l.budget.calls(over*tick))) {
			return phase{}, false
		}
		if time.Since(m.start) > tick+maxOverrun {
			// memtrace was stopped: the calls of that time belong to this tick.
			l.book.Sync(ctx, maxOverrun)
		}
		p := m.read()
		p.ready = p.busy + float64(l.book.Waited()-waited)/float64(max(p.took, 1))
		ticks[i%over] = p
		l.account(p, watched{}, p.own)
		if all, is := l.budget.exceeded(ticks[:], over*tick); is {
			return all, true
		}
	}
}

// account adds up what a phase with probes cost, including what else belongs to a window, and what
// memtrace itself used in that time. It returns everything spent so far.
func (l *Loop) account(p phase, w watched, own time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, factor, _ := l.prices.now()
	stalled := l.budget.stalled(p) + l.budget.stalled(w.tail) + l.budget.attaching(w.attaching, p)
	l.spent.calibrated += float64(stalled) / factor
	l.spent.factor = factor
	l.spent.own += own
	n := float64(l.spent.phases)
	l.spent.owners = (l.spent.owners*n + p.owners()) / (n + 1)
	l.spent.phases++
	return l.spent.Total()
}

// learn corrects the prices by what a window showed.
func (l *Loop) learn(w watched) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.complete {
		l.prices.add(w.window, w.tail)
	}
	l.budget.cost, _, _ = l.prices.now()
}

// leaveExact takes away all probes on allocation functions. costly is the phase in which they
// cost more than allowed.
func (l *Loop) leaveExact(costly phase) {
	probes := l.probes.LeaveExact()
	l.cfg.Logf("tracing every call would cost more than %.3g %%: watching windows of time instead "+
		"(%.0f allocations and %.0f frees a second, at %v and %v each here)",
		100*l.budget.max, float64(costly.allocs)/costly.took.Seconds(), float64(costly.frees)/costly.took.Seconds(),
		l.budget.cost.Alloc.Round(100*time.Nanosecond), l.budget.cost.Free.Round(100*time.Nanosecond))
	l.close(probes)
}

// accountWindow adds up how much open windows that count slow the target.
func (l *Loop) accountWindow(window phase) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spent.Watched += window.took
	l.spent.Slowed += l.budget.stalled(window)
}

// close takes probes away in the background, since the kernel needs some 150 ms. The target
// runs on meanwhile.
func (l *Loop) close(links probe.Links) {
	l.closing.Go(func() {
		if err := l.probes.Close(links); err != nil {
			l.cfg.Logf("take probes away: %v", err)
		}
	})
}

// sample watches one window after another until ctx is done. The first comes at once: a short trace
// would have none if what it cost to learn that windows are needed was waited out before.
func (l *Loop) sample(ctx context.Context) {
	own := l.cfg.OwnTime()
	for l.probes.LeftAlone(ctx) {
		w := l.window(ctx)
		l.closing.Wait()
		l.learn(w)
		now := l.cfg.OwnTime()
		l.plan = l.budget.next(w.window, w.tail, l.budget.attaching(w.attaching, w.window), now-own)
		spent := l.account(w.window, w, now-own)
		if w.complete {
			l.accountWindow(w.window)
		}
		l.plan.window = min(l.plan.window, l.slowing.longest())
		took := time.Since(l.start)
		l.plan.pause = max(l.budget.pause(l.plan, spent, took), l.slowing.pause(l.budget.work(w), took))
		own = now
		l.pause(ctx)
	}
}

// pause lets the target run for a random time, so that windows cannot be foretold. Only
// candidates are looked at meanwhile.
func (l *Loop) pause(ctx context.Context) {
	start, cpu, waited := time.Now(), l.book.ProcessorTime(), l.book.Waited()
	end := start.Add(time.Duration(float64(l.plan.pause) * (0.5 + rand.Float64())))
	for time.Now().Before(end) {
		interval := max(time.Duration(float64(checkInterval)*max(usualOverhead/l.budget.max, 1)), time.Duration(float64(l.checked)/checkShare))
		next := time.Duration(float64(interval) * (0.5 + rand.Float64()))
		if !sleep(ctx, min(next, time.Until(end))) {
			return
		}
		l.checked = l.checker.Check(true)
	}
	took := float64(time.Since(start))
	l.busy = float64(l.book.ProcessorTime()-cpu) / took
	l.ready = l.busy + float64(l.book.Waited()-waited)/took
}

// sleep waits for d. It returns false if ctx is done first.
func sleep(ctx context.Context, d time.Duration) bool {
	return sleepUntil(ctx, d, nil)
}

// sleepUntil is sleep, cut short by wake.
func sleepUntil(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return true
}
