package window

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"memtrace/tracer/probe"
)

// maxOverrun is how much longer than planned a window may be open. One that was open for
// longer was so while memtrace itself did not run, because somebody stopped it.
const maxOverrun = time.Second

// watched is what a window cost.
type watched struct {
	window, tail phase
	// attaching is how long probes were in place with the gate still shut.
	attaching time.Duration
	// complete says that what was seen counts.
	complete bool
}

// window watches for the planned time.
func (l *Loop) window(ctx context.Context) (w watched) {
	calm := func() {}
	if l.cfg.Urgent {
		calm = sync.OnceFunc(hurry())
		defer calm()
	}
	births, ends, since, err := l.probes.Attach()
	l.book.Begin()
	if !since.IsZero() {
		w.attaching = time.Since(since)
	}
	m := l.meter()
	err = errors.Join(err, l.probes.SetGate(probe.GateAll))
	l.book.Watch(true) // many records are about to come
	defer l.book.Watch(false)
	complete := err == nil && l.watch(ctx, m)

	cut := l.book.Cut()
	err = errors.Join(err, l.probes.SetGate(probe.GateFrees|probe.GateCalls))
	w.window = phase{took: time.Since(m.start), cpu: l.book.ProcessorTime() - m.cpu}
	l.close(births)
	tailStart := time.Now()
	if complete {
		l.watchTail(ctx)
		l.checker.Fingerprint()
	}
	err = errors.Join(err, l.probes.SetGate(probe.GateCalls))
	w.tail = phase{took: time.Since(tailStart), cpu: l.book.ProcessorTime() - m.cpu - w.window.cpu}
	l.close(ends)
	calm()
	overran := time.Since(m.start) > min(patient*l.plan.window, maxWindow)+l.plan.tail+maxOverrun
	l.book.Sync(ctx, time.Second)

	after := l.book.Calls()
	complete = complete && !overran && err == nil && ctx.Err() == nil && after.sameLosses(&m.calls)
	if err != nil && !l.probes.Gone() {
		l.cfg.Logf("a window is dropped: %v", err)
	}
	all := m.read()
	w.window.allocs, w.window.frees, w.tail.frees = all.allocs, all.frees, m.late()
	w.window.busy, w.tail.busy = l.busy, l.busy
	w.window.ready, w.tail.ready = l.ready, l.ready
	if l.busy == 0 {
		w.window.busy, w.tail.busy = all.busy, all.busy
	}
	l.book.End(cut, complete)
	l.settle(ctx)
	w.complete = complete
	return w
}

// patient is how many times as long as planned a window may stay open while it costs next to
// nothing: to put its probes in place did cost something, and work that comes in bursts is mostly
// not there at a random moment.
const patient = 4

// watch keeps a window open for half of the planned time to all of it, for longer where that costs
// next to nothing, or until it has delayed the target as much as it may: a target that was asleep
// may wake up and allocate.
func (l *Loop) watch(ctx context.Context, m *meter) bool {
	// A length that is drawn falls into step with no period of the target.
	length := time.Duration(float64(l.plan.window) * (0.5 + 0.5*rand.Float64()))
	most := windowShare * float64(l.budget.stall)
	for {
		p := m.read()
		p.busy, p.ready = l.busy, l.ready
		stalled := float64(l.budget.stalled(p))
		until := length
		if stalled < most/8 {
			until = min(patient*length, maxWindow)
		}
		if p.took >= until || stalled >= most {
			return true
		}
		if !sleep(ctx, min(until-p.took, 2*l.cfg.Delay)) {
			return false
		}
	}
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

// settle looks at a window's candidates twice soon after its end, because most blocks
// still in flight are freed then.
func (l *Loop) settle(ctx context.Context) {
	start := time.Now()
	for _, at := range []time.Duration{5 * time.Millisecond, 80 * time.Millisecond} {
		if !sleep(ctx, at-time.Since(start)) {
			return
		}
		l.checker.Check(false)
	}
}
