package window

import (
	"context"
	"time"

	"memtrace/tracer/probe"
)

// Config says what tracing may cost.
type Config struct {
	// MaxOverhead is the fraction of the target's time that tracing may cost, above 0 up to 1.
	MaxOverhead float64
	// MaxStall is the most that a window may delay a thread.
	MaxStall time.Duration
	// MaxSlowed is the part of its work that windows may slow down for the target, 0 for all of it.
	MaxSlowed float64
	// Costs is what the target's calls cost under probes, as far as calibration tells.
	Costs probe.Costs
	// SomeSizes says that only allocations of some sizes are reported.
	SomeSizes bool
	// Urgent makes memtrace go before others in windows, so that these end in time on a busy
	// machine.
	Urgent bool
	// Delay is the longest that an event takes to reach the Book.
	Delay time.Duration
	// OwnTime returns the processor time that memtrace has used so far.
	OwnTime func() time.Duration
	// Logf receives remarks. GiveUp receives the name of what was waited for in vain.
	Logf   func(format string, args ...any)
	GiveUp func(what string)
}

// Probes are what a Loop attaches and takes away.
type Probes interface {
	// Attach puts the probes of a window in place with the gate shut: births on the functions
	// that allocate, ends on those that free. The first were in place from the time since on,
	// or there is nothing to attach and since is zero. Probes returned along with an error are
	// in place too.
	Attach() (births, ends probe.Links, since time.Time, err error)
	// LeaveExact returns the probes that trace every call, for the Loop to close. From then on
	// there are only windows.
	LeaveExact() probe.Links
	Close(probe.Links) error
	SetGate(probe.Gate) error
	// LeftAlone waits until nothing forbids a window. It returns false if ctx is done first.
	LeftAlone(ctx context.Context) bool
	// Gone reports whether there is nothing left to trace.
	Gone() bool
}

// Calls counts what was reported since the trace began.
type Calls struct {
	Allocs, Frees uint64
	// Late counts frees after Cut, which Frees leaves out.
	Late uint64
	// LostAllocs are allocations that could not be reported, for example for lack of room in
	// the ring. Frees that found no room there count as Spilled or as LostFrees.
	LostAllocs, Spilled, LostFrees uint64
	// LostThreads counts calls of threads whose state found no room.
	LostThreads uint64
}

// sameLosses reports whether nothing was lost between two counts.
func (c *Calls) sameLosses(before *Calls) bool {
	return c.LostAllocs == before.LostAllocs && c.LostFrees == before.LostFrees && c.LostThreads == before.LostThreads
}

// Book is the record of what was seen.
type Book interface {
	Calls() Calls
	// AlarmAfter returns a channel that receives once after that many more calls.
	AlarmAfter(calls uint64) <-chan struct{}
	// ProcessorTime is what all threads of the target have used so far, Waited how long they
	// were ready to run but had no processor.
	ProcessorTime() time.Duration
	Waited() time.Duration
	// Begin opens a window. Cut ends it for births: frees from then on are Late. It returns
	// the time to pass to End, which closes the window, and drops it if it is not complete.
	Begin()
	Cut() (time uint64)
	End(cut uint64, complete bool)
	// Young is how many blocks born in the open window are not yet freed.
	Young() int
	// Watch(true) says that many records are to come, Watch(false) that the rush is over.
	Watch(bool)
	// Sync waits until everything that has happened so far is taken up, for at most most.
	Sync(ctx context.Context, most time.Duration)
}

// Checker looks at the blocks that windows left, from outside and without probes.
type Checker interface {
	// Check looks at all blocks, or only at those of the last window, and returns how long
	// that took.
	Check(all bool) time.Duration
	// Fingerprint notes the contents of the open window's blocks.
	Fingerprint()
	Close()
}
