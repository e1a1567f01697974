package tracer

import (
	"errors"
	"time"

	"memtrace/symbolize/patience"
	"memtrace/tracer/probe"
)

// The order of leaving: the gate is shut, then every probe goes, the anchors last, and only
// then is waited for those who may be waiting for a process or its files themselves.

// stop ends the trace at one moment for all probes, detaches, and drains.
func (t *Tracer) stop() error {
	if t.loop != nil {
		t.loop.Finish()
	}
	err := t.probes.SetGate(probe.GateShut)
	t.mu.Lock()
	t.end = now()
	t.mu.Unlock()
	// Who mapped what is known of what was read.
	err = errors.Join(err, t.stream.CatchUp())
	t.beside("the last look at the probes", patience.Limit, t.checkAtEnd)()
	settled := t.beside("the address space", lookPatience, func() {
		for _, p := range t.procs {
			p.memory.settle(time.Now())
		}
	})
	// Calls in flight at the gate's closing still report their return.
	if t.lingers = !t.cfg.GrowthOnly && t.debugged(); t.lingers {
		// Close takes them away: the report need not wait.
		for _, p := range t.procs {
			p.probed.Store(false)
		}
		settled()
		return errors.Join(err, t.stream.Drain())
	}
	err = errors.Join(err, t.detach())
	settled()
	return errors.Join(err, t.stream.Drain())
}

// detach takes every probe away, whoever hangs, and then ends all who work beside the
// reader. It is safe to call again.
func (t *Tracer) detach() error {
	t.follower.stop()
	if t.loop != nil {
		t.loop.Finish()
	}
	for _, p := range t.procs {
		p.probed.Store(false)
	}
	for _, stop := range []func(){t.stopGuard, t.stopMemory, t.stopMalloc} {
		if stop != nil {
			stop()
		}
	}
	refreshed := t.beside("the last modules", patience.Limit, func() {
		for _, p := range t.procs {
			if p.symbols != nil {
				p.refreshSymbols()
			}
		}
	})
	err := t.attached.CloseProbes()
	if t.waitGuard != nil {
		t.beside("what the probes were last", patience.Limit, t.waitGuard)() // it may hold one
	}
	err = errors.Join(err, t.attached.CloseAnchors())
	refreshed()
	t.beside("what was mapped late", patience.Limit, t.follower.wait)()
	if t.waitMemory != nil {
		t.beside("the address space", lookPatience, t.waitMemory)()
	}
	return err
}

// beside calls f beside the caller. The function that it returns waits for that, but no
// longer than limit.
func (t *Tracer) beside(what string, limit time.Duration, f func()) (wait func()) {
	if t.gaveUp(what) {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	return func() {
		if !patience.Wait(limit, func() { <-done }) {
			t.giveUp(what)
		}
	}
}

// Close detaches what still is attached and frees everything. Snapshot cannot
// be called after it.
func (t *Tracer) Close() error {
	if t.lingers {
		t.outstay()
	}
	err := t.detach()
	t.checkLeft()
	err = errors.Join(err, t.stream.Close())
	if t.probes != nil {
		err = errors.Join(err, t.probes.Close())
	}
	// To close a file may take an answer, too.
	_, closeErr := patience.Do(patience.Limit, "a file", func() (struct{}, error) {
		var err error
		for _, p := range t.procs {
			err = errors.Join(err, p.close())
		}
		return struct{}{}, err
	}, nil)
	return errors.Join(err, closeErr)
}
