package window

import (
	"math"
	"time"

	"memtrace/tracer/probe"
)

// Bounds on the parts of a window and on the pauses between windows.
const (
	trialWindow  = 20 * time.Millisecond
	minWindow    = 5 * time.Millisecond
	maxWindow    = time.Second
	minTail      = 5 * time.Millisecond
	maxTail      = 20 * time.Millisecond
	minPause     = 250 * time.Millisecond // the kernel takes that long to take probes away
	maxPause     = 30 * time.Second
	leastPause   = 0.75 // of the planned pause
	creditTime   = 10 * time.Second
	windowShare  = 0.7                   // of the allowed stall; the rest is for the tail
	readCost     = 150 * time.Nanosecond // of memtrace's own time per event (make bench)
	budgetSafety = 0.95                  // plan for less than is allowed: rates change
)

// budget holds what tracing may cost and plans windows to fit. Costs are a fraction of the
// target's time: the time of its one working thread, or the combined time of all its working
// threads.
type budget struct {
	max   float64       // 0.03 is three percent
	stall time.Duration // the most that a window may delay a thread
	cost  probe.Costs
	// forgone is time in which less was spent than allowed, and whose savings have
	// expired.
	forgone time.Duration
}

// phase is what was seen of a target over some time.
type phase struct {
	took          time.Duration
	allocs, frees uint64
	// busy is how many threads were working, on average, while no probe was in place.
	busy float64
	// own is memtrace's processor time.
	own time.Duration
}

func (p *phase) threads() float64 { return max(p.busy, 1) }

// stalled is how long probes kept each working thread from its work.
func (b *budget) stalled(p phase) time.Duration {
	lost := float64(p.allocs)*float64(b.cost.Alloc) + float64(p.frees)*float64(b.cost.Free)
	return min(time.Duration(lost/p.threads()), p.took)
}

// perCall is what the calls alone cost during p, as a fraction of the target's time. It is
// what watching fewer of them would save.
func (b *budget) perCall(p phase) float64 {
	if p.took <= 0 {
		return 0
	}
	read := float64(p.allocs+p.frees) * float64(readCost)
	return (float64(b.stalled(p)) + read/p.threads()) / float64(p.took)
}

// exceeded reports whether calls cost more than allowed, averaged over the phases or over
// least, whichever is longer. It returns the calls of all phases added up. Each phase is
// weighed by the threads that were working in it.
func (b *budget) exceeded(phases []phase, least time.Duration) (all phase, is bool) {
	var cost float64
	for _, p := range phases {
		cost += b.perCall(p) * float64(p.took)
		all.took += p.took
		all.allocs += p.allocs
		all.frees += p.frees
	}
	return all, cost/float64(max(all.took, least)) > b.max
}

// calls is how many calls, in pairs, one thread needs to use up the budget of a time d.
func (b *budget) calls(d time.Duration) uint64 {
	return uint64(b.max*float64(d)/float64(b.cost.Alloc+b.cost.Free)) * 2
}

// plan is the next window.
type plan struct {
	// window is how long all probes are in place, tail the most that those on frees stay in
	// place afterwards, and pause how long no probe is in place after that, on average.
	window, tail, pause time.Duration
	// cost is what the window, its tail and memtrace's own work until the next one should
	// cost one working thread.
	cost time.Duration
}

// next plans the window that follows one whose cost window and tail describe. own is all of
// memtrace's time since the window before.
func (b *budget) next(window, tail phase, own time.Duration) plan {
	part := func(l phase) float64 {
		return max(float64(b.stalled(l))/max(float64(l.took), 1), 1e-6)
	}
	stall := float64(b.stall)
	p := plan{
		// A target that happened to sleep says little about its rate: at most double.
		window: bounded(min(stall*windowShare/part(window), 2*float64(window.took)), minWindow, maxWindow),
		tail:   bounded(stall*(1-windowShare)/part(tail), minTail, maxTail),
	}
	cost := float64(p.window)*part(window) + float64(p.tail)*part(tail) + float64(own)/window.threads()
	p.cost = time.Duration(cost)
	cycle := cost / (b.max * budgetSafety)
	p.pause = bounded(cycle-float64(p.window+p.tail), minPause, maxPause)
	return p
}

// pause returns how long to wait for a planned window, so that everything spent so far, plus
// that window, stays within the budget. Low load or long random pauses leave savings; those of
// the last creditTime are spent little by little.
func (b *budget) pause(p plan, spent, took time.Duration) time.Duration {
	share := b.max * budgetSafety
	saved := took - b.forgone - time.Duration(float64(spent)/share)
	b.forgone += max(saved-creditTime, 0)
	least := max(minPause, time.Duration(float64(p.pause)*leastPause))
	return bounded(float64(p.cost)/share-float64(min(saved, creditTime)), least, maxPause)
}

func bounded(d float64, low, high time.Duration) time.Duration {
	return min(max(time.Duration(math.Min(d, math.MaxInt64/2)), low), high)
}
