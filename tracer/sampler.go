package tracer

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/bpf"
	"memtrace/tracer/heap"
	"memtrace/tracer/sample"
	"memtrace/tracer/target"
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
	threads      float64 // those at work, on average of the windows
	windows      int
	// watched is the time of windows without their tails, slowed what of it was
	// stalled.
	watched, slowed time.Duration
}

// seen counts the calls that probes reported.
type seen struct {
	allocs, frees uint64
	// late are the frees from the time tail on (ns), which are not in frees.
	late, tail uint64
	// alarm is at how many calls the Tracer's alarm goes off.
	alarm uint64
}

func newSampler(t *Tracer, costs probeCosts) *sampler {
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
		if s.outgrow(ctx) {
			s.leaveExact()
			s.sample(ctx)
		}
	})
}

// finish ends the work. The gate is shut and no probe of a window is left.
func (s *sampler) finish() {
	s.finished.Do(func() {
		s.stop()
		s.done.Wait()
		s.closing.Wait()
		if s.t.windowed {
			s.checker.check(s.t, true)
		}
		s.checker.close()
	})
}

// outgrow waits, while every call is traced, until that costs more than it may. It
// returns false when the trace ends first.
func (s *sampler) outgrow(ctx context.Context) bool {
	m := s.meter()
	if !sleep(ctx, trialWindow) {
		return false
	}
	s.t.sync(ctx, trialWindow)
	trial := m.read()
	s.account(trial)
	if s.budget.perCall(trial) > s.budget.max {
		return true
	}
	const (
		tick = 250 * time.Millisecond
		over = 8 // ticks that the cost is averaged over
	)
	var recent [over]float64
	for i := 0; ; i++ {
		m = s.meter()
		s.t.callWhen(s.budget.calls(over * tick))
		if !s.t.called(ctx, tick) {
			return false
		}
		now := m.read()
		s.account(now)
		recent[i%over] = s.budget.perCall(now) * float64(now.took) / float64(tick)
		sum := 0.0
		for _, o := range recent {
			sum += o
		}
		if sum/over > s.budget.max {
			return true
		}
	}
}

// callWhen has called return early once so many more calls were seen.
func (t *Tracer) callWhen(more uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.alarm = t.seen.allocs + t.seen.frees + more
}

// called waits for that, or for so long; false when ctx is done first.
func (t *Tracer) called(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-t.alarm:
	}
	return true
}

// account adds up what a time with probes cost.
func (s *sampler) account(p phase) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	s.spent.stalled += s.budget.stalled(p)
	s.spent.own += p.own
	n := float64(s.spent.windows)
	s.spent.threads = (s.spent.threads*n + p.threads()) / (n + 1)
	s.spent.windows++
}

// leaveExact takes all probes on allocation functions away and begins anew: what
// was known of blocks says nothing once their frees go unseen, and which system
// calls are the allocator's is not known without its probes.
func (s *sampler) leaveExact() {
	t := s.t
	t.attaching.Lock()
	defer t.attaching.Unlock()
	_ = t.setLive(liveCalls) // it has been set before
	if err := t.progs.objs.Windowed.Set(uint32(1)); err != nil {
		t.cfg.Logf("the stacks behind growth are not all known: %v", err)
	}
	t.mu.Lock()
	t.windowed = true
	t.windowsSince = now()
	t.heap = heap.New(heap.Config{Older: t.cfg.Older})
	t.vm = vm.NewGrowthLedger()
	var all links
	for pid, p := range t.procs {
		if err := t.beginLedger(pid); err != nil && !p.gone() {
			t.cfg.Logf("%v: growth that was there before counts as new", err)
		}
		p.sample = sample.New(sample.Config{SkipMapped: p.malloc != nil})
		all = append(all, p.links...)
		p.links = nil
	}
	t.mu.Unlock()
	t.cfg.Logf("tracing every call would cost more than %.3g %%: watching windows of time instead", 100*s.budget.max)
	s.close(all)
}

// close takes probes away, which takes the kernel some 150 ms, while the target
// runs on.
func (s *sampler) close(l links) {
	s.closing.Go(func() {
		if err := l.Close(); err != nil {
			s.t.cfg.Logf("take probes away: %v", err)
		}
	})
}

// sample watches one window after the other until ctx is done.
func (s *sampler) sample(ctx context.Context) {
	own := ownTime()
	for ctx.Err() == nil {
		window, tail := s.window(ctx)
		s.closing.Wait()
		s.plan = s.budget.next(window, tail, ownTime()-own)
		s.t.mu.Lock()
		s.spent.stalled += s.budget.stalled(window) + s.budget.stalled(tail)
		s.spent.own += ownTime() - own
		s.spent.watched += window.took
		s.spent.slowed += s.budget.stalled(window)
		n := float64(s.spent.windows)
		s.spent.threads = (s.spent.threads*n + window.threads()) / (n + 1)
		s.spent.windows++
		s.t.mu.Unlock()
		own = ownTime()
		s.pause(ctx)
	}
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

// window watches for the planned time. It returns what it and its tail cost.
func (s *sampler) window(ctx context.Context) (window, tail phase) {
	t := s.t
	t.attaching.Lock()
	births, ends, err := s.attach()
	t.attaching.Unlock()
	before := t.losses()
	m := s.meter()
	t.begin()
	err = errors.Join(err, t.setLive(liveAll))
	complete := err == nil && s.watch(ctx, m)

	cut := now().mono
	t.mu.Lock()
	t.seen.tail = cut
	t.mu.Unlock()
	err = errors.Join(err, t.setLive(liveFrees|liveCalls))
	s.close(births)
	window = phase{took: time.Since(m.start)}
	tailStart := time.Now()
	if complete {
		s.watchTail(ctx)
	}
	err = errors.Join(err, t.setLive(liveCalls))
	s.close(ends)
	tail.took = time.Since(tailStart)
	t.sync(ctx, time.Second)

	complete = complete && err == nil && ctx.Err() == nil && t.losses() == before
	if err != nil && !t.allGone() {
		t.cfg.Logf("a window is dropped: %v", err)
	}
	all := m.read()
	window.allocs, window.frees, tail.frees = all.allocs, all.frees, m.late()
	window.busy, tail.busy = s.busy, s.busy
	if s.busy == 0 {
		window.busy, tail.busy = all.busy, all.busy
	}
	t.endWindow(cut, complete)
	s.settle(ctx)
	return window, tail
}

// watch lets a window be open for the planned time, or until it has delayed the
// target by what it may: a target that sleeps may wake up and allocate.
func (s *sampler) watch(ctx context.Context, m *meter) bool {
	for left := s.plan.window; left > 0; left = s.plan.window - time.Since(m.start) {
		if !sleep(ctx, min(left, 2*pollInterval)) {
			return false
		}
		p := m.read()
		p.busy = s.busy
		if s.budget.stalled(p) >= time.Duration(windowShare*float64(s.budget.stall)) {
			break
		}
	}
	return true
}

// watchTail waits as long as blocks of the window are being freed.
func (s *sampler) watchTail(ctx context.Context) {
	left := s.t.young()
	for end := time.Now().Add(s.plan.tail); time.Now().Before(end); {
		if !sleep(ctx, min(minTail, time.Until(end))) {
			return
		}
		// The reader may be behind by its interval, so two looks have to agree.
		still := s.t.young()
		if still == left && time.Until(end) < s.plan.tail-2*pollInterval {
			return
		}
		left = still
	}
}

// settle looks at a window's candidates several times soon after its end: most
// that are in flight end then.
func (s *sampler) settle(ctx context.Context) {
	start := time.Now()
	for _, at := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 80 * time.Millisecond} {
		if !sleep(ctx, at-time.Since(start)) {
			return
		}
		s.checker.check(s.t, false)
	}
}

// attach puts the probes of a window in place, with the gate shut.
func (s *sampler) attach() (births, ends links, err error) {
	t := s.t
	t.generation++
	if err := t.progs.objs.Generation.Set(t.generation); err != nil {
		return nil, nil, err
	}
	for pid, p := range t.procs {
		if p.gone() {
			continue
		}
		for _, o := range p.target.Objects {
			l, attachErr := attachObject(t.progs, t.kernel, int(pid), o, endProbes)
			ends = append(ends, l...)
			if attachErr == nil {
				l, attachErr = attachObject(t.progs, t.kernel, p.target.PID, o, birthProbes)
				births = append(births, l...)
			}
			if attachErr != nil && !errors.Is(attachErr, target.ErrNoProcess) {
				err = errors.Join(err, attachErr)
			}
		}
	}
	return births, ends, err
}

// meter measures a phase from its making on.
type meter struct {
	t          *Tracer
	start      time.Time
	cpu, own   time.Duration
	seen       seen
	lostAllocs uint64
	spilled    uint64
}

func (s *sampler) meter() *meter {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return &meter{
		t: s.t, start: time.Now(), cpu: s.t.targetTime(), own: ownTime(), seen: s.t.seen,
		lostAllocs: s.t.counters.LostAlloc, spilled: s.t.counters.Spilled,
	}
}

// read returns what was seen since the meter was made.
func (m *meter) read() phase {
	m.t.mu.Lock()
	defer m.t.mu.Unlock()
	p := phase{
		took:   time.Since(m.start),
		allocs: m.t.seen.allocs - m.seen.allocs + m.t.counters.LostAlloc - m.lostAllocs,
		frees:  m.t.seen.frees - m.seen.frees + m.t.counters.Spilled - m.spilled,
		own:    ownTime() - m.own,
	}
	p.busy = float64(m.t.targetTime()-m.cpu) / float64(p.took)
	if m.t.cfg.MinSize > 0 || m.t.cfg.MaxSize != math.MaxUint64 {
		// Allocations of other sizes meet the probes too, and are not reported.
		p.allocs = max(p.allocs, p.frees)
	}
	return p
}

// late returns the frees in the tail since the meter was made.
func (m *meter) late() uint64 {
	m.t.mu.Lock()
	defer m.t.mu.Unlock()
	return m.t.seen.late - m.seen.late
}

// losses are the counters that tell of a window that was not seen whole.
func (t *Tracer) losses() [3]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return lossesOf(&t.counters)
}

func lossesOf(c *bpf.MemtraceCounters) [3]uint64 {
	return [3]uint64{c.LostAlloc, c.LostFree, c.LostThread}
}

// begin opens a window in every set.
func (t *Tracer) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.tail = math.MaxUint64
	start := now().mono
	for _, p := range t.procs {
		if !p.exited {
			p.sample.Begin(start)
		}
	}
}

// endWindow closes the window of every set.
func (t *Tracer) endWindow(cut uint64, complete bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.procs {
		p.sample.End(cut, complete)
	}
}

// young returns how many blocks of the open windows are still there.
func (t *Tracer) young() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.procs {
		n += p.sample.Young()
	}
	return n
}

func (t *Tracer) allGone() bool {
	for _, p := range t.procs {
		if !p.gone() {
			return false
		}
	}
	return true
}

// targetTime returns the processor time of all targets.
func (t *Tracer) targetTime() (sum time.Duration) {
	for pid, p := range t.procs {
		// MAKE_PROCESS_CPUCLOCK of include/linux/posix-timers_types.h.
		const scheduled = 2 // CPUCLOCK_SCHED
		var ts unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|scheduled), &ts); err == nil {
			p.cpu = time.Duration(ts.Nano())
		}
		sum += p.cpu
	}
	return sum
}

// ownTime returns memtrace's processor time.
func ownTime() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// sleep waits; false when ctx is done first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
