package process

import "time"

// The processor time that following processes may take, on average. It is part of what the
// whole trace may cost.
const (
	// rangeShare is for looking at mappings range by range, listShare for listing all
	// mappings, execShare for looking at new programs: until that is done, nothing of them is
	// traced. fileShare is for opening files that are mapped as code, which may be gone soon,
	// threadShare for reading the names of threads.
	rangeShare  = 0.01
	listShare   = 0.005
	execShare   = 0.01
	fileShare   = 0.01
	threadShare = 0.005
	// followPart is the largest part of --max-overhead that each share may take.
	followPart = 0.25
	// followBurst and execBurst limit how much may be saved up. What changes after a quiet
	// time is looked at immediately.
	followBurst = 100 * time.Millisecond
	execBurst   = 500 * time.Millisecond
	// followPause is the longest that anything waits for its turn.
	followPause = 10 * time.Second
)

// allowance is processor time that may be spent. It grows as time passes. It is not safe for
// concurrent use.
type allowance struct {
	share float64
	most  time.Duration

	left time.Duration // below zero: spent in advance
	at   time.Time     // the time that left is about
}

func newAllowance(share float64, most time.Duration) *allowance {
	return &allowance{share: share, most: most, left: most, at: time.Now()}
}

// allowedShare is a share in a trace that may cost so much; 0 is no limit.
func allowedShare(share, maxOverhead float64) float64 {
	if maxOverhead > 0 {
		share = min(share, followPart*maxOverhead)
	}
	return share
}

// followAllowances returns the allowances of a trace that may cost so much; 0 is no limit.
func followAllowances(maxOverhead float64) (ranges, listings, programs, files *allowance) {
	part := func(share float64) float64 { return allowedShare(share, maxOverhead) }
	return newAllowance(part(rangeShare), followBurst), newAllowance(part(listShare), followBurst),
		newAllowance(part(execShare), execBurst), newAllowance(part(fileShare), execBurst)
}

// wait returns how long it takes until something may be spent.
func (a *allowance) wait(now time.Time) time.Duration {
	a.left = min(a.left+time.Duration(a.share*float64(now.Sub(a.at))), a.most)
	a.at = now
	if a.left > 0 {
		return 0
	}
	return time.Duration(float64(1-a.left) / a.share)
}

// spend runs f and deducts its cost: memtrace's processor time, but no more than the time that
// passed, because other goroutines use the processor too.
func (a *allowance) spend(f func()) {
	start, own := time.Now(), OwnTime()
	f()
	a.take(min(time.Since(start), OwnTime()-own))
}

func (a *allowance) take(cost time.Duration) {
	a.left = max(a.left-cost, -time.Duration(a.share*float64(followPause)))
}
