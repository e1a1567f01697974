package stream

import (
	"context"
	"time"
)

const (
	// PollInterval is how long records may wait in the ring while many come, and it is
	// nearly empty; filling up, it wakes the reader (wake_bytes in bpf/state.h). After
	// idlePolls with few records, less than busyRate a second, they may wait for
	// idleInterval: waking up all the time takes some percent of a processor.
	PollInterval = 5 * time.Millisecond
	idlePolls    = 10
	idleInterval = 50 * time.Millisecond
	busyRate     = 10000
	// pauseInterval is that between windows: nothing waits for the few records then.
	// Those of a new program, and of the process's end, wake the reader.
	pauseInterval = 250 * time.Millisecond
	// slowInterval is that in growth mode, whose records are few.
	slowInterval = 50 * time.Millisecond
)

// Pace says how long records may wait.
type Pace int32

const (
	// Steady suits itself to how many there are.
	Steady Pace = iota
	// Watchful is for a window that is open: the reader has to keep up with it.
	Watchful
	// Paused is for the time between windows.
	Paused
	// Slow is for growth mode.
	Slow
)

// SetPace changes the pace.
func (r *Reader) SetPace(p Pace) { r.pace.Store(int32(p)) }

// interval is how long records may wait now.
func (r *Reader) interval() time.Duration {
	switch p := Pace(r.pace.Load()); {
	case p == Slow:
		return slowInterval
	case p == Watchful || r.idle < idlePolls:
		return PollInterval
	case p == Paused:
		return pauseInterval
	}
	return idleInterval
}

// Wake has the reader look at once.
func (r *Reader) Wake() { r.waker.wake() }

// takeSync returns who waits for the reader to catch up with now, nil if nobody.
func (r *Reader) takeSync() chan struct{} {
	select {
	case c := <-r.syncs:
		return c
	default:
		return nil
	}
}

// Sync waits until the reader has applied what is in the ring now, no longer than most.
func (r *Reader) Sync(ctx context.Context, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	c := make(chan struct{})
	r.waker.wake()
	select {
	case r.syncs <- c:
	case <-ctx.Done():
		return
	}
	select {
	case <-c:
	case <-ctx.Done():
	}
}
