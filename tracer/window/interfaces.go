package window

import (
	"context"
	"time"

	"memtrace/tracer/probe"
)

// Config says what tracing may cost.
type Config struct {
	// MaxOverhead is the part of the target's time that tracing may cost, above 0 to 1.
	MaxOverhead float64
	// MaxStall is the most that a window may delay a thread.
	MaxStall time.Duration
	// Costs is what probes cost here.
	Costs probe.Costs
	// SomeSizes: allocations of other sizes are not reported.
	SomeSizes bool
	// Delay is how long what happens may be on its way to the Book.
	Delay time.Duration
	// OwnTime returns the processor time that memtrace took until now.
	OwnTime func() time.Duration
	// Logf receives remarks, GiveUp what was waited for in vain.
	Logf   func(format string, args ...any)
	GiveUp func(what string)
}

// Probes are what a Loop puts in place and takes away.
type Probes interface {
	// Attach puts the probes of a window in place, with the gate shut: on the functions
	// that blocks are born in, and on those that they end in. What it returns with an
	// error is in place, too.
	Attach() (births, ends probe.Links, err error)
	// LeaveExact returns the probes that are in place for tracing every call, for the Loop
	// to close: from then on there are windows.
	LeaveExact() probe.Links
	Close(probe.Links) error
	SetGate(probe.Gate) error
	// LeftAlone waits until nothing forbids a window; false if ctx is done first.
	LeftAlone(ctx context.Context) bool
	// Gone reports whether there is nothing left to be traced.
	Gone() bool
}

// Calls counts what was reported since the trace began.
type Calls struct {
	Allocs, Frees uint64
	// Late are frees after Cut; they are not among Frees.
	Late uint64
	// LostAllocs are those for which there was no room. Frees for which the ring had none
	// have Spilled, or were lost.
	LostAllocs, Spilled, LostFrees uint64
	// LostThreads are calls of threads for whose state there was no room.
	LostThreads uint64
}

// sameLosses reports whether nothing was lost between two counts.
func (c *Calls) sameLosses(before *Calls) bool {
	return c.LostAllocs == before.LostAllocs && c.LostFrees == before.LostFrees && c.LostThreads == before.LostThreads
}

// Book is what was seen.
type Book interface {
	Calls() Calls
	// AlarmAfter returns what is sent to once so many more calls were seen.
	AlarmAfter(calls uint64) <-chan struct{}
	// ProcessorTime is the target's, of all its threads, until now.
	ProcessorTime() time.Duration
	// Begin begins a window. Cut ends it for births: frees from then on are Late. It
	// returns the time for End, which ends the window, and drops it if it is not complete.
	Begin()
	Cut() (time uint64)
	End(cut uint64, complete bool)
	// Young is how many blocks of the window that is open are not freed.
	Young() int
	// Watch says that much is to be read from now on, or not any more.
	Watch(bool)
	// Sync waits, no longer than most, until everything was taken up that has happened.
	Sync(ctx context.Context, most time.Duration)
}

// Checker looks at blocks of windows from outside, without probes.
type Checker interface {
	// Check looks at all of them, or at those of the last window, and returns how long
	// that took.
	Check(all bool) time.Duration
	// Fingerprint notes the contents of the open window's blocks.
	Fingerprint()
	Close()
}
