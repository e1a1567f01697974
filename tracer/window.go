package tracer

import (
	"context"
	"errors"
	"math"
	"time"

	"memtrace/tracer/probe"
	"memtrace/tracer/stream"
	"memtrace/tracer/target"
)

// window watches for the planned time. It returns what it and its tail cost.
func (s *sampler) window(ctx context.Context) (window, tail phase) {
	t := s.t
	t.attaching.Lock()
	births, ends, err := s.attach()
	t.attaching.Unlock()
	before := t.losses()
	m := s.meter()
	t.begin()
	err = errors.Join(err, t.probes.SetGate(probe.GateAll))
	t.stream.SetPace(stream.Watchful)
	defer t.stream.SetPace(stream.Paused)
	t.stream.Wake() // many records are to be expected
	complete := err == nil && s.watch(ctx, m)

	cut := now().mono
	t.mu.Lock()
	t.seen.tail = cut
	t.mu.Unlock()
	err = errors.Join(err, t.probes.SetGate(probe.GateFrees|probe.GateCalls))
	s.close(births)
	window = phase{took: time.Since(m.start)}
	tailStart := time.Now()
	if complete {
		s.watchTail(ctx)
		s.checker.fingerprint(t)
	}
	err = errors.Join(err, t.probes.SetGate(probe.GateCalls))
	s.close(ends)
	tail.took = time.Since(tailStart)
	t.stream.Sync(ctx, time.Second)

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
		if !sleep(ctx, min(left, 2*stream.PollInterval)) {
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
		if still == left && time.Until(end) < s.plan.tail-2*stream.PollInterval {
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
func (s *sampler) attach() (births, ends probe.Links, err error) {
	t := s.t
	if err := t.probes.NextGeneration(); err != nil {
		return nil, nil, err
	}
	for _, p := range t.procs {
		// What a new program maps is not known yet, and its anchor is not there.
		p.unwatched = p.gone() || !p.target.Runs()
		if p.unwatched {
			continue
		}
		for _, o := range p.target.Objects {
			l, lacks, attachErr := t.attachReaching(p, o, probe.Ends)
			ends = append(ends, l...)
			if attachErr == nil {
				var more []target.Place
				l, more, attachErr = t.attachReaching(p, o, probe.Births)
				births, lacks = append(births, l...), append(lacks, more...)
			}
			if attachErr != nil && !errors.Is(attachErr, target.ErrNoProcess) {
				err = errors.Join(err, attachErr)
			}
			if len(lacks) > 0 {
				t.lack(p, describeLacks(lacks, otherFile))
				p.unwatched = true // what was seen of it would be no evidence
			}
		}
	}
	return births, ends, err
}

// losses are the counters that tell of a window that was not seen whole.
func (t *Tracer) losses() [3]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &t.counters
	return [3]uint64{c.LostAlloc, c.LostFree, c.LostThread}
}

// begin opens a window in every set.
func (t *Tracer) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.tail = math.MaxUint64
	start := now().mono
	for _, p := range t.procs {
		if !p.exited && !p.unwatched {
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
