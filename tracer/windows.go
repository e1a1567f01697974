package tracer

import (
	"context"
	"errors"
	"time"

	"memtrace/tracer/book"
	"memtrace/tracer/event"
	"memtrace/tracer/probe"
	"memtrace/tracer/process"
	"memtrace/tracer/stream"
	"memtrace/tracer/window"
)

// windowProbes are the probes as the window loop knows them.
type windowProbes struct{ *Tracer }

func (t windowProbes) Attach() (births, ends probe.Links, since time.Time, err error) {
	return t.processes.AttachWindow()
}

func (t windowProbes) LeaveExact() probe.Links {
	return t.processes.LeaveExact(t.watchWindows)
}

// watchWindows has the kernel and the book watch windows alone from now on.
func (t windowProbes) watchWindows() {
	watched := make(map[uint32]book.Watched)
	for _, pid := range t.processes.PIDs() {
		mapped, err := process.ReadMapped(pid)
		if p := t.processes.Of(pid); err != nil && p != nil && !p.Gone() {
			t.cfg.Logf("%v: growth that was there before counts as new", err)
		}
		watched[pid] = book.Watched{Mapped: mapped, Sample: t.sampleConfig(pid)}
	}
	if err := errors.Join(t.probes.SetGate(probe.GateCalls), t.probes.SetWindowed()); err != nil {
		t.cfg.Logf("the stacks behind growth are not all known: %v", err)
	}
	t.stream.SetPace(stream.Paused)
	t.book.LeaveExact(event.Now(), watched)
}

func (t windowProbes) Close(l probe.Links) error          { return t.processes.CloseProbes(l) }
func (t windowProbes) SetGate(g probe.Gate) error         { return t.probes.SetGate(g) }
func (t windowProbes) LeftAlone(ctx context.Context) bool { return t.processes.LeftAlone(ctx) }
func (t windowProbes) Gone() bool                         { return len(t.processes.Gone()) == len(t.processes.PIDs()) }

// windowBook is the book as the window loop reads it.
type windowBook struct {
	*book.Book
	tracer *Tracer
}

func (b windowBook) Calls() window.Calls          { return window.Calls(b.Book.Calls()) }
func (b windowBook) ProcessorTime() time.Duration { return b.tracer.processes.ProcessorTime() }
func (b windowBook) Waited() time.Duration        { return b.tracer.processes.Waited() }

func (b windowBook) Begin() {
	b.BeginWindow(event.Now, b.tracer.processes.HasWindow, b.tracer.processes.Efforts())
}

func (b windowBook) Cut() uint64 { return b.Book.Cut(event.Now, b.tracer.processes.Efforts()) }

func (b windowBook) End(c uint64, ok bool) {
	b.EndWindow(c, ok, event.Now(), b.tracer.processes.Efforts())
}

// Watch makes the reader keep up while a window is open.
func (b windowBook) Watch(open bool) {
	if !open {
		b.tracer.stream.SetPace(stream.Paused)
		return
	}
	b.tracer.stream.SetPace(stream.Watchful)
	b.tracer.stream.Wake()
}

// Sync waits until the reader has applied what is in the ring now.
func (b windowBook) Sync(ctx context.Context, most time.Duration) { b.tracer.stream.Sync(ctx, most) }
