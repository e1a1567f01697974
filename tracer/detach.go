package tracer

import (
	"errors"
	"time"

	"memtrace/symbolize/patience"
	"memtrace/tracer/event"
	"memtrace/tracer/probe"
	"memtrace/tracer/process"
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
	t.end, t.endMono = time.Now(), event.Now()
	t.mu.Unlock()
	// Who mapped what is known of what was read.
	err = errors.Join(err, t.stream.CatchUp())
	t.beside("the last look at the probes", patience.Limit, t.processes.CheckAtEnd)()
	settled := t.beside("the address space", process.LookPatience, func() { t.processes.Settle(time.Now()) })
	// Calls in flight at the gate's closing still report their return.
	if t.lingers = !t.cfg.GrowthOnly && t.processes.Debugged(); t.lingers {
		// Close takes them away: the report need not wait.
		t.processes.Unprobe()
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
	if t.loop != nil {
		t.loop.Finish()
	}
	t.processes.Stop()
	refreshed := t.beside("the last modules", patience.Limit, t.processes.RefreshSymbols)
	err := t.attached.CloseProbes()
	t.beside("what the probes were last", patience.Limit, t.processes.WaitGuard)() // it may hold one
	err = errors.Join(err, t.attached.CloseAnchors())
	refreshed()
	t.beside("what was mapped late", patience.Limit, t.processes.WaitFollower)()
	t.beside("the address space", process.LookPatience, t.processes.WaitMemory)()
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
		t.processes.Outstay()
	}
	err := t.detach()
	t.processes.CheckLeft()
	err = errors.Join(err, t.stream.Close())
	if t.probes != nil {
		err = errors.Join(err, t.probes.Close())
	}
	// To close a file may take an answer, too.
	_, closeErr := patience.Do(patience.Limit, "a file", func() (struct{}, error) {
		return struct{}{}, t.processes.Close()
	}, nil)
	return errors.Join(err, closeErr)
}
