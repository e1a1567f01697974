package serve

import (
	"fmt"
	"sync"
	"time"
)

const (
	// workShare is the most of the time that looks and the forms made of them may take.
	workShare = 0.02
	// mostSaved is what is kept of time that was not used, mostOwed what can be used ahead of it: one
	// that took very long does not keep everybody waiting for long.
	mostSaved = 10 * time.Second
	mostOwed  = time.Duration(float64(mostAge) * workShare)
)

// budget is the time that may go into looks and forms. It grows as time passes.
type budget struct {
	mu   sync.Mutex
	left time.Duration
	at   time.Time
}

func newBudget(now time.Time) *budget { return &budget{left: mostSaved, at: now} }

// wait returns how long it takes until so much is left, 0 if it is.
func (b *budget) wait(now time.Time, least time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.grow(now)
	return time.Duration(float64(max(least-b.left, 0)) / workShare)
}

// use takes away what work took that has ended now.
func (b *budget) use(now time.Time, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.grow(now)
	b.left = max(b.left-took, -mostOwed)
}

func (b *budget) grow(now time.Time) {
	b.left = min(b.left+time.Duration(float64(now.Sub(b.at))*workShare), mostSaved)
	b.at = now
}

// spentError says that a form is not made now, and after what time it may be.
type spentError time.Duration

func (e spentError) Error() string {
	return fmt.Sprintf("looks and reports have taken their share of the time: ask again in %d s", e.seconds())
}

func (e spentError) seconds() int { return int(time.Duration(e)/time.Second) + 1 }
