package tracer

import (
	"errors"
	"time"

	"memtrace/symbolize/patience"
	"memtrace/tracer/event"
	"memtrace/tracer/probe"
	"memtrace/tracer/process"
)

// The order of leaving: first the gate is shut, then every probe is removed, the anchors last.
// Only then does memtrace wait for goroutines that may themselves be waiting for a process or
// its files.

// stop ends the trace at one moment for all probes, detaches, and drains.
func (t *Tracer) stop() error {
	defer t.processes.Finish()
	if t.loop != nil {
		t.loop.Finish()
	}
	err := t.probes.SetGate(probe.GateShut)
	t.mu.Lock()
	t.end, t.endMono = time.Now(), event.Now()
	t.mu.Unlock()
	// The last look at who mapped what needs everything sent so far.
	err = errors.Join(err, t.stream.CatchUp())
	t.unfollow()
	t.beside("the last look at the probes", patience.Limit, t.processes.CheckAtEnd)()
	settled := t.beside("the address space", process.LookPatience, func() { t.processes.Settle(time.Now()) })
	// Calls in flight when the gate closes still report their return.
	if t.lingers = !t.cfg.GrowthOnly && t.processes.Debugged(); t.lingers {
		// Close removes the probes, so the report need not wait for that.
		t.processes.Unprobe()
		settled()
		return errors.Join(err, t.stream.Drain())
	}
	err = errors.Join(err, t.detach())
	settled()
	return errors.Join(err, t.stream.Drain())
}

// detach removes every probe, even if something hangs, and then ends all that works beside the
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
	t.beside("processes that have ended", process.LookPatience, t.followed.releasing.Wait)()
	return err
}

// beside runs f in a goroutine. The function it returns waits for f, but no longer than limit.
func (t *Tracer) beside(what string, limit time.Duration, f func()) (wait func()) {
	if t.unanswered.Has(what) {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	return func() {
		if !patience.Wait(limit, func() { <-done }) {
			t.unanswered.Add(what)
		}
	}
}

// Close detaches what is still attached and frees everything. Snapshot must not be called
// after it.
func (t *Tracer) Close() error {
	t.followed.queue.Stop()
	patience.Wait(process.LookPatience, t.followed.queue.Wait)
	if t.lingers {
		t.processes.Outstay()
	}
	err := t.detach()
	t.processes.CheckLeft()
	err = errors.Join(err, t.stream.Close())
	if t.probes != nil {
		err = errors.Join(err, t.probes.Close())
	}
	// Closing a file may need an answer, too.
	_, closeErr := patience.Do(patience.Limit, "a file", func() (struct{}, error) {
		return struct{}{}, t.processes.Close()
	}, nil)
	return errors.Join(err, closeErr)
}
