package tracer

import (
	"math"
	"time"
)

// Lengths of what a window is made of, and of the time between windows.
const (
	trialWindow  = 20 * time.Millisecond
	minWindow    = 5 * time.Millisecond
	maxWindow    = time.Second
	minTail      = 5 * time.Millisecond
	maxTail      = 20 * time.Millisecond
	minPause     = 250 * time.Millisecond // taking probes away takes the kernel that long
	maxPause     = 30 * time.Second
	windowShare  = 0.6  // of the stall that a window may cost, the rest is for its tail
	budgetSafety = 0.85 // plan for less than what is allowed: rates change
)

// budget holds what tracing may cost and plans windows accordingly. Costs count as
// part of the target's time: of the time that one of its threads has, where one is
// at work, or of that which its working threads have together.
type budget struct {
	max   float64       // 0.03 is three percent
	stall time.Duration // the most that a window may delay a thread
	cost  probeCosts
}

// probeCosts is what probes cost the thread that meets them.
type probeCosts struct {
	alloc, free time.Duration
}

// phase is what was seen of a target in some time.
type phase struct {
	took          time.Duration
	allocs, frees uint64
	// busy is how many threads were at work on average while no probe was there.
	busy float64
	// own is memtrace's processor time.
	own time.Duration
}

func (l *phase) threads() float64 { return max(l.busy, 1) }

// stalled is for how long probes kept each working thread from its work.
func (b *budget) stalled(l phase) time.Duration {
	lost := float64(l.allocs)*float64(b.cost.alloc) + float64(l.frees)*float64(b.cost.free)
	return min(time.Duration(lost/l.threads()), l.took)
}

// overhead is what tracing cost in that time, as part of the target's time.
func (b *budget) overhead(l phase) float64 {
	if l.took <= 0 {
		return 0
	}
	return float64(b.stalled(l)+time.Duration(float64(l.own)/l.threads())) / float64(l.took)
}

// plan is the next window.
type plan struct {
	// window is how long all probes are there, tail how long those on frees stay
	// on at most, pause how long none is there after that, on average.
	window, tail, pause time.Duration
}

// next plans a window after one that cost, with its tail, what the phases say; own
// is all of memtrace's time since the window before.
func (b *budget) next(window, tail phase, own time.Duration) plan {
	part := func(l phase) float64 {
		return max(float64(b.stalled(l))/max(float64(l.took), 1), 1e-6)
	}
	stall := float64(b.stall)
	p := plan{
		window: bounded(stall*windowShare/part(window), minWindow, maxWindow),
		tail:   bounded(stall*(1-windowShare)/part(tail), minTail, maxTail),
	}
	cost := float64(p.window)*part(window) + float64(p.tail)*part(tail) + float64(own)/window.threads()
	cycle := cost / (b.max * budgetSafety)
	p.pause = bounded(cycle-float64(p.window+p.tail), minPause, maxPause)
	return p
}

func bounded(d float64, low, high time.Duration) time.Duration {
	return min(max(time.Duration(math.Min(d, math.MaxInt64/2)), low), high)
}
