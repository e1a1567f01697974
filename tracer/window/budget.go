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
	minPause     = 250 * time.Millisecond // mostly enough for the kernel to take probes away
	maxPause     = 30 * time.Second
	leastPause   = 0.75 // of the planned pause
	creditTime   = 10 * time.Second
	windowShare  = 0.7                   // of the allowed stall; the rest is for the tail
	readCost     = 150 * time.Nanosecond // of memtrace's own time per event (make bench)
	budgetSafety = 0.95                  // plan for less than is allowed: rates change
)

// budget holds what tracing may cost and plans windows to fit. What it may is a fraction of the
// target's time: the processor time of its threads if these are always ready to run, otherwise
// the time of one thread, in which it works and waits for work.
type budget struct {
	max   float64       // 0.03 is three percent
	stall time.Duration // the most that a window may delay a thread
	cost  probe.Costs
	credit
}

// phase is what was seen of a target over some time.
type phase struct {
	took          time.Duration
	allocs, frees uint64
	// busy is how many threads had a processor, ready how many had one or waited for one, both
	// on average.
	busy, ready float64
	// cpu is the processor time of the target.
	cpu time.Duration
	// own is memtrace's processor time.
	own time.Duration
}

// Bounds on how much a target can seem to be starved: one that is always ready to run, and one
// that mostly sleeps. The latter waits whenever it wakes up, however little it then does.
const leastBusy, leastThreads = 0.05, 0.5

// threads is how much processor time of probes delays the target by one second for each second.
// Where fewer processors are free than threads are ready, the time of probes has to be waited
// for like any other.
func (p *phase) threads() float64 {
	if p.busy <= 0 {
		return 1
	}
	busy := max(p.busy, leastBusy)
	if ready := max(p.ready, busy); ready < 1 {
		return max(busy/ready, leastThreads)
	}
	return busy
}

// owners is how many threads memtrace's own time is shared by.
func (p *phase) owners() float64 { return max(p.threads(), 1) }

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
	return (float64(b.stalled(p)) + read/p.owners()) / float64(p.took)
}

// exceeded reports whether calls cost more than allowed, averaged over the phases or over
// least, whichever is longer. It returns the calls of all phases, and how busy the target was
// in them. The cost of each phase is shared by the threads that were working in it.
func (b *budget) exceeded(phases []phase, least time.Duration) (all phase, is bool) {
	var cost float64
	for _, p := range phases {
		cost += b.perCall(p) * float64(p.took)
		all.took += p.took
		all.cpu += p.cpu
		all.allocs += p.allocs
		all.frees += p.frees
		all.busy += p.busy * float64(p.took)
		all.ready += p.ready * float64(p.took)
	}
	all.busy /= max(float64(all.took), 1)
	all.ready /= max(float64(all.took), 1)
	return all, cost/float64(max(all.took, least)) > b.max
}

// calls is how many calls, half of them frees, one thread makes to use up the budget of a time d.
func (b *budget) calls(d time.Duration) uint64 {
	return uint64(b.max*float64(d)/float64(b.cost.Alloc+b.cost.Free)) * 2
}

// plan is the next window.
type plan struct {
	// window is the most that all probes are in place, as long as they cost what is expected,
	// tail the most that those on frees stay in place afterwards, and pause how long no probe is
	// in place after that, on average.
	window, tail, pause time.Duration
	// cost is what the window, its tail and memtrace's own work until the next one should
	// cost one working thread.
	cost time.Duration
}

// shutPrice is what a probe costs while the gate is shut, as a part of what it costs otherwise.
const shutPrice = 0.6

// attaching returns how long threads were stalled while probes were in place for so long with the
// gate still shut. The window tells how often they are met.
func (b *budget) attaching(took time.Duration, window phase) time.Duration {
	part := float64(b.stalled(window)) / max(float64(window.took), 1)
	return time.Duration(float64(took) * part * shutPrice / (1 - part + part*shutPrice))
}

// next plans the window that follows one whose cost window, its tail, and attaching describe. own
// is all of memtrace's time since the window before.
func (b *budget) next(window, tail phase, attaching, own time.Duration) plan {
	part := func(l phase) float64 {
		return max(float64(b.stalled(l))/max(float64(l.took), 1), 1e-6)
	}
	stall := float64(b.stall)
	p := plan{
		// A target that happened to sleep says little about its rate: at most double.
		window: bounded(min(stall*windowShare/part(window), 2*float64(window.took)), minWindow, maxWindow),
		tail:   bounded(stall*(1-windowShare)/part(tail), minTail, maxTail),
	}
	cost := float64(p.window)*part(window) + float64(p.tail)*part(tail) + float64(attaching) + float64(own)/window.owners()
	p.cost = time.Duration(cost)
	cycle := cost / (b.max * budgetSafety)
	p.pause = bounded(cycle-float64(p.window+p.tail), minPause, maxPause)
	return p
}

// pause returns how long to wait for a planned window, so that everything spent so far, plus
// that window, stays within the budget, as far as pauses from minPause to maxPause allow. Low load
// or long random pauses leave savings; those of up to creditTime are spent little by little.
func (b *budget) pause(p plan, spent, took time.Duration) time.Duration {
	share := b.max * budgetSafety
	saved := b.saved(spent, share, took)
	least := max(minPause, time.Duration(float64(p.pause)*leastPause))
	return bounded(float64(p.cost)/share-float64(saved), least, maxPause)
}

// credit is what was not spent of what may be, up to creditTime of it.
type credit struct {
	// forgone is time of which less was spent than may be, and no longer may be.
	forgone time.Duration
}

// saved returns what may be spent of the time that a trace took so far if that share of it may be, as time:
// below 0 if too much was spent.
func (c *credit) saved(spent time.Duration, share float64, took time.Duration) time.Duration {
	saved := took - c.forgone - time.Duration(float64(spent)/share)
	c.forgone += max(saved-creditTime, 0)
	return min(saved, creditTime)
}

func bounded(d float64, low, high time.Duration) time.Duration {
	return min(max(time.Duration(math.Min(d, math.MaxInt64/2)), low), high)
}
