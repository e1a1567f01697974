package stream

import (
	"context"
	"time"
)

const (
	// PollInterval is how long records may wait while many come and the ring is nearly empty.
	// A ring that fills up wakes the reader (wake_bytes in bpf/state.h). After idlePolls polls
	// with few records, fewer than busyRate a second, records may wait for idleInterval, since
	// waking up all the time takes some percent of a processor.
	PollInterval = 5 * time.Millisecond
	idlePolls    = 10
	idleInterval = 50 * time.Millisecond
	busyRate     = 10000
	// pauseInterval applies between windows, when nothing waits for the few records. A new
	// program's records, and those of the process's end, wake the reader, and so does a ring that
	// fills up. To wake up takes more processor time than to read them.
	pauseInterval = 500 * time.Millisecond
	// slowInterval applies in growth mode, which has few records.
	slowInterval = 50 * time.Millisecond
)

// Pace says how long records may wait.
type Pace int32

const (
	// Steady adapts to how many records come.
	Steady Pace = iota
	// Watchful is for an open window: the reader has to keep up with it.
	Watchful
	// Paused is for the time between windows.
	Paused
	// Slow is for growth mode.
	Slow
)

// SetPace changes the pace.
func (r *Reader) SetPace(p Pace) { r.pace.Store(int32(p)) }

// interval returns how long records may wait now.
func (r *Reader) interval() time.Duration {
	switch p := Pace(r.pace.Load()); {
	case p == Slow:
		return slowInterval
	case p == Paused:
		return pauseInterval
	case p == Watchful || r.idle < idlePolls:
		return PollInterval
	}
	return idleInterval
}

// Wake makes the reader look at once.
func (r *Reader) Wake() { r.waker.wake() }

// takeSync returns the channel of a Sync that waits, nil if none does.
func (r *Reader) takeSync() chan struct{} {
	select {
	case c := <-r.syncs:
		return c
	default:
		return nil
	}
}

// Sync waits until the reader has applied what is in the ring now, for at most most.
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
