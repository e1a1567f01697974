package tracer

import (
	"context"
	"math"
	"time"

	"memtrace/tracer/stream"
	"memtrace/tracer/window"
)

// windowBook is what was seen as the loop of windows reads it.
type windowBook struct{ *Tracer }

// seen counts the calls that probes reported.
type seen struct {
	allocs, frees uint64
	// late are the frees from the time tail on (ns), which are not in frees.
	late, tail uint64
	// alarm is at how many calls the Tracer's alarm goes off.
	alarm uint64
}

// Calls counts what was reported.
func (t windowBook) Calls() window.Calls {
	t.mu.Lock()
	defer t.mu.Unlock()
	return window.Calls{
		Allocs: t.seen.allocs, Frees: t.seen.frees, Late: t.seen.late,
		LostAllocs: t.counters.LostAlloc, Spilled: t.counters.Spilled,
		LostFrees: t.counters.LostFree, LostThreads: t.counters.LostThread,
	}
}

// AlarmAfter has the alarm go off once so many more calls were seen.
func (t windowBook) AlarmAfter(more uint64) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.alarm = t.seen.allocs + t.seen.frees + more
	return t.alarm
}

// ProcessorTime returns that of all targets.
func (t windowBook) ProcessorTime() (sum time.Duration) {
	for pid, p := range t.procs {
		if used, err := processorTime(int(pid)); err == nil {
			p.cpu = used // what it was stays when the process is gone
		}
		sum += p.cpu
	}
	return sum
}

// Begin opens a window in every set.
func (t windowBook) Begin() {
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

// End closes the window of every set.
func (t windowBook) End(cut uint64, complete bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.procs {
		p.sample.End(cut, complete)
	}
}

// Young returns how many blocks of the open windows are still there.
func (t windowBook) Young() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.procs {
		n += p.sample.Young()
	}
	return n
}

// Cut has frees count as late from now on.
func (t windowBook) Cut() uint64 {
	cut := now().mono
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.tail = cut
	return cut
}

// Watch has the reader keep up with a window that is open.
func (t windowBook) Watch(open bool) {
	if !open {
		t.stream.SetPace(stream.Paused)
		return
	}
	t.stream.SetPace(stream.Watchful)
	t.stream.Wake()
}

// Sync waits until the reader has applied what is in the ring now.
func (t windowBook) Sync(ctx context.Context, most time.Duration) { t.stream.Sync(ctx, most) }
