package window

import (
	"context"
	"errors"
	"time"

	"memtrace/tracer/probe"
)

// maxOverrun is how much longer than planned a window may be open. One that was open for
// longer was so while memtrace itself did not run, because somebody stopped it.
const maxOverrun = time.Second

// window watches for the planned time. It returns what it and its tail cost, and whether what
// was seen counts.
func (l *Loop) window(ctx context.Context) (window, tail phase, complete bool) {
	births, ends, err := l.probes.Attach()
	m := l.meter()
	l.book.Begin()
	err = errors.Join(err, l.probes.SetGate(probe.GateAll))
	l.book.Watch(true) // many records are about to come
	defer l.book.Watch(false)
	complete = err == nil && l.watch(ctx, m)

	cut := l.book.Cut()
	err = errors.Join(err, l.probes.SetGate(probe.GateFrees|probe.GateCalls))
	l.close(births)
	window = phase{took: time.Since(m.start)}
	tailStart := time.Now()
	if complete {
		l.watchTail(ctx)
		l.checker.Fingerprint()
	}
	err = errors.Join(err, l.probes.SetGate(probe.GateCalls))
	l.close(ends)
	tail.took = time.Since(tailStart)
	overran := time.Since(m.start) > l.plan.window+l.plan.tail+maxOverrun
	l.book.Sync(ctx, time.Second)

	after := l.book.Calls()
	complete = complete && !overran && err == nil && ctx.Err() == nil && after.sameLosses(&m.calls)
	if err != nil && !l.probes.Gone() {
		l.cfg.Logf("a window is dropped: %v", err)
	}
	all := m.read()
	window.allocs, window.frees, tail.frees = all.allocs, all.frees, m.late()
	window.busy, tail.busy = l.busy, l.busy
	if l.busy == 0 {
		window.busy, tail.busy = all.busy, all.busy
	}
	l.book.End(cut, complete)
	l.settle(ctx)
	return window, tail, complete
}

// watch keeps a window open for the planned time, or until it has delayed the target as much
// as it may: a target that was asleep may wake up and allocate.
func (l *Loop) watch(ctx context.Context, m *meter) bool {
	for left := l.plan.window; left > 0; left = l.plan.window - time.Since(m.start) {
		if !sleep(ctx, min(left, 2*l.cfg.Delay)) {
			return false
		}
		p := m.read()
		p.busy = l.busy
		if l.budget.stalled(p) >= time.Duration(windowShare*float64(l.budget.stall)) {
			break
		}
	}
	return true
}

// watchTail waits while blocks of the window are still being freed, for at most plan.tail.
func (l *Loop) watchTail(ctx context.Context) {
	left := l.book.Young()
	for end := time.Now().Add(l.plan.tail); time.Now().Before(end); {
		if !sleep(ctx, min(minTail, time.Until(end))) {
			return
		}
		// The reader may be behind by its interval, so two looks have to agree.
		still := l.book.Young()
		if still == left && time.Until(end) < l.plan.tail-2*l.cfg.Delay {
			return
		}
		left = still
	}
}

// settle looks at a window's candidates several times soon after its end, because most blocks
// still in flight are freed then.
func (l *Loop) settle(ctx context.Context) {
	start := time.Now()
	for _, at := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 80 * time.Millisecond} {
		if !sleep(ctx, at-time.Since(start)) {
			return
		}
		l.checker.Check(false)
	}
}
