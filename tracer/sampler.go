package tracer

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"memtrace/symbolize/patience"
	"memtrace/tracer/heap"
	"memtrace/tracer/probe"
	"memtrace/tracer/sample"
	"memtrace/tracer/stream"
	"memtrace/tracer/vm"
)

// sampler keeps tracing within its budget. It begins with all probes in place; as
// soon as they cost more than they may, it takes them away and from then on puts
// them back for windows of some milliseconds. The evidence is in each process's
// sample.Set.
type sampler struct {
	t      *Tracer
	budget budget
	plan   plan
	done   sync.WaitGroup
	stop   context.CancelFunc
	// finished: there is nothing left to do.
	finished sync.Once
	// closing are probes that are being taken away.
	closing sync.WaitGroup
	spent   spending
	busy    float64
	checker checker
	// checked is how long the last look at all candidates took.
	checked time.Duration
}

// spending is what tracing has cost since the trace began. The Tracer's lock
// guards it.
type spending struct {
	stalled, own time.Duration
	threads      float64 // those at work, on average of the phases
	phases       int
	// watched is the time of windows without their tails, slowed what of it was
	// stalled.
	watched, slowed time.Duration
}

// total is all of it, as time of the target.
func (s *spending) total() time.Duration {
	return s.stalled + time.Duration(float64(s.own)/max(s.threads, 1))
}

func newSampler(t *Tracer, costs probe.Costs) *sampler {
	return &sampler{
		t:       t,
		budget:  budget{max: t.cfg.MaxOverhead, stall: t.cfg.MaxStall, cost: costs},
		plan:    plan{window: trialWindow, tail: maxTail},
		stop:    func() {},
		checker: newChecker(),
	}
}

// start lets the sampler work beside the reader.
func (s *sampler) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.done.Go(func() {
		if costly, ok := s.outgrow(ctx); ok {
			s.leaveExact(costly)
			s.sample(ctx)
		}
	})
}

// finish ends the work. The gate is shut and no probe of a window is left, unless the
// work hangs: it is not waited for then.
func (s *sampler) finish() {
	s.finished.Do(func() {
		s.stop()
		ended := patience.Wait(patience.Limit, func() {
			s.done.Wait()
			s.closing.Wait()
		})
		ended = ended && patience.Wait(patience.Limit, func() {
			if s.t.windowed {
				s.checker.check(s.t, true)
			}
			s.checker.close()
		})
		if !ended {
			s.t.giveUp("the last look at blocks")
		}
	})
}

// outgrow waits, while every call is traced, until that costs more than it may, and
// returns the time in which it did. It returns false when the trace ends first.
func (s *sampler) outgrow(ctx context.Context) (phase, bool) {
	m := s.meter()
	if !sleep(ctx, trialWindow) {
		return phase{}, false
	}
	s.t.stream.Sync(ctx, trialWindow)
	trial := m.read()
	s.account(trial, phase{}, trial.own)
	// So short a time says little of a process that works by fits and starts.
	const beyondDoubt = 10
	if s.budget.perCall(trial) > beyondDoubt*s.budget.max {
		return trial, true
	}
	const (
		tick = 250 * time.Millisecond
		over = 6 // ticks that the cost is averaged over
	)
	var ticks [over]phase
	for i := 0; ; i++ {
		m = s.meter()
		s.t.callWhen(s.budget.calls(over * tick))
		if !sleepUntil(ctx, tick, s.t.alarm) {
			return phase{}, false
		}
		ticks[i%over] = m.read()
		s.account(ticks[i%over], phase{}, ticks[i%over].own)
		if all, is := s.budget.exceeded(ticks[:], over*tick); is {
			return all, true
		}
	}
}

// callWhen has the alarm go off once so many more calls were seen.
func (t *Tracer) callWhen(more uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.alarm = t.seen.allocs + t.seen.frees + more
}

// account adds up what a time with probes cost, the tail of a window included, and
// memtrace itself in that time. It returns what has been spent in all.
func (s *sampler) account(p, tail phase, own time.Duration) time.Duration {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	s.spent.stalled += s.budget.stalled(p) + s.budget.stalled(tail)
	s.spent.own += own
	n := float64(s.spent.phases)
	s.spent.threads = (s.spent.threads*n + p.threads()) / (n + 1)
	s.spent.phases++
	if s.t.windowed {
		s.spent.watched += p.took
		s.spent.slowed += s.budget.stalled(p)
	}
	return s.spent.total()
}

// leaveExact takes all probes on allocation functions away and begins anew: what
// was known of blocks says nothing once their frees go unseen, and which system
// calls are the allocator's is not known without its probes. costly is when
// that took more than it may.
func (s *sampler) leaveExact(costly phase) {
	t := s.t
	t.attaching.Lock()
	defer t.attaching.Unlock()
	mapped := make(map[uint32]mappedNow)
	for pid, p := range t.procs {
		initial, err := readMappedNow(pid)
		if err != nil && !p.gone() {
			t.cfg.Logf("%v: growth that was there before counts as new", err)
		}
		mapped[pid] = initial
	}
	if err := errors.Join(t.probes.SetGate(probe.GateCalls), t.probes.SetWindowed()); err != nil {
		t.cfg.Logf("the stacks behind growth are not all known: %v", err)
	}
	t.mu.Lock()
	t.windowed = true
	t.stream.SetPace(stream.Paused)
	t.windowsSince = now()
	t.heap = heap.New(heap.Config{Older: t.cfg.Older})
	t.vm = vm.NewGrowthLedger()
	var all probe.Links
	for pid, p := range t.procs {
		t.vm.Begin(pid, mapped[pid].brk, mapped[pid].list)
		p.sample = sample.New(t.sampleConfig(p))
		p.probed.Store(false)
		all = append(all, p.links...)
		p.links = nil
	}
	t.mu.Unlock()
	t.cfg.Logf("tracing every call would cost more than %.3g %%: watching windows of time instead "+
		"(%.0f allocations and %.0f frees a second, at %v and %v each here)",
		100*s.budget.max, float64(costly.allocs)/costly.took.Seconds(), float64(costly.frees)/costly.took.Seconds(),
		s.budget.cost.Alloc.Round(100*time.Nanosecond), s.budget.cost.Free.Round(100*time.Nanosecond))
	s.close(all)
}

// close takes probes away, which takes the kernel some 150 ms, while the target
// runs on.
func (s *sampler) close(l probe.Links) {
	s.closing.Go(func() {
		if err := s.t.closeProbes(l); err != nil {
			s.t.cfg.Logf("take probes away: %v", err)
		}
	})
}

// sample watches one window after the other until ctx is done.
func (s *sampler) sample(ctx context.Context) {
	own := ownTime()
	for s.leftAlone(ctx) {
		window, tail := s.window(ctx)
		s.closing.Wait()
		now := ownTime()
		s.plan = s.budget.next(window, tail, now-own)
		spent := s.account(window, tail, now-own)
		s.plan.pause = s.budget.pause(s.plan, spent, time.Since(s.t.start.wall))
		own = now
		s.pause(ctx)
	}
}

// leftAlone waits until no debugger is attached; false when ctx is done first.
func (s *sampler) leftAlone(ctx context.Context) bool {
	for s.t.debugged() {
		if !sleep(ctx, debuggerInterval) {
			return false
		}
	}
	if err := s.t.closeKept(); err != nil {
		s.t.cfg.Logf("take probes away: %v", err)
	}
	return ctx.Err() == nil
}

// pause lets the target run for a time that cannot be foretold, in which only
// candidates are looked at.
func (s *sampler) pause(ctx context.Context) {
	start, cpu := time.Now(), s.t.targetTime()
	end := start.Add(time.Duration(float64(s.plan.pause) * (0.5 + rand.Float64())))
	for time.Now().Before(end) {
		interval := max(checkInterval, time.Duration(float64(s.checked)/checkShare))
		next := time.Duration(float64(interval) * (0.5 + rand.Float64()))
		if !sleep(ctx, min(next, time.Until(end))) {
			return
		}
		s.checked = s.checker.check(s.t, true)
	}
	s.busy = float64(s.t.targetTime()-cpu) / float64(time.Since(start))
}

// sleep waits; false when ctx is done first.
func sleep(ctx context.Context, d time.Duration) bool {
	return sleepUntil(ctx, d, nil)
}

// sleepUntil is sleep, unless woken before.
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
