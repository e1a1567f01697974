package process

import "time"

// What keeping up with processes may take of a processor, on average. It is a part of
// what a trace may cost in all.
const (
	// rangeShare is for looking at what they map, place by place, listShare for listing
	// all that they map, execShare for looking at new programs, without which nothing of
	// these is traced.
	rangeShare = 0.01
	listShare  = 0.005
	execShare  = 0.01
	// followPart is the most of --max-overhead that each may be.
	followPart = 0.25
	// followBurst and execBurst are how much of it may be saved up: what comes after a
	// quiet time is looked at at once.
	followBurst = 100 * time.Millisecond
	execBurst   = 500 * time.Millisecond
	// followPause is the longest that anything waits for its turn.
	followPause = 10 * time.Second
)

// allowance is processor time that may be spent, which grows as time passes. It is not
// safe for concurrent use.
type allowance struct {
	share float64
	most  time.Duration

	left time.Duration // below zero: what was spent in advance
	at   time.Time     // when that was so
}

func newAllowance(share float64, most time.Duration) *allowance {
	return &allowance{share: share, most: most, left: most, at: time.Now()}
}

// followAllowances are those of a trace that may cost so much, 0 for one that may cost
// whatever it does.
func followAllowances(maxOverhead float64) (ranges, listings, programs *allowance) {
	part := func(share float64) float64 {
		if maxOverhead > 0 {
			share = min(share, followPart*maxOverhead)
		}
		return share
	}
	return newAllowance(part(rangeShare), followBurst), newAllowance(part(listShare), followBurst),
		newAllowance(part(execShare), execBurst)
}

// wait is how long it takes until something may be spent.
func (a *allowance) wait(now time.Time) time.Duration {
	a.left = min(a.left+time.Duration(a.share*float64(now.Sub(a.at))), a.most)
	a.at = now
	if a.left > 0 {
		return 0
	}
	return time.Duration(float64(1-a.left) / a.share)
}

// spend runs f and takes what it cost off: memtrace's processor time, but no more than
// the time that went by, since others are at work too.
func (a *allowance) spend(f func()) {
	start, own := time.Now(), OwnTime()
	f()
	a.take(min(time.Since(start), OwnTime()-own))
}

func (a *allowance) take(cost time.Duration) {
	a.left = max(a.left-cost, -time.Duration(a.share*float64(followPause)))
}
