package process

import (
	"cmp"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"memtrace/symbolize/patience"
	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/region"
)

// pacer keeps looks at a process apart that may be costly, where somebody asks for them again and
// again: they take at most a hundredth of the time. In between what was found last counts.
type pacer[T any] struct {
	mu    sync.Mutex
	found T
	next  time.Time // when to look again
	stale atomic.Bool
}

// get returns what look finds, or found the last time.
func (p *pacer[T]) get(look func() T) T {
	const share = 100
	p.mu.Lock()
	defer p.mu.Unlock()
	stale := p.stale.Swap(false)
	if now := time.Now(); stale || !now.Before(p.next) {
		p.found = look()
		end := time.Now()
		p.next = end.Add(share * end.Sub(now))
	}
	return p.found
}

// forget makes the next get look again: what was found is of another program. It does not wait for
// a look that goes on.
func (p *pacer[T]) forget() { p.stale.Store(true) }

// keptFree is what Process.Kept returns, spaceLook what Process.Space does.
type (
	keptFree struct {
		kept ptmalloc.Kept
		ok   bool
	}
	spaceLook struct {
		at  time.Time
		err error
	}
)

// KeptAt returns Kept, or a variant that looks seldom if paced.
func (p *Process) KeptAt(paced bool) func() (ptmalloc.Kept, bool) {
	if !paced {
		return p.Kept
	}
	return func() (ptmalloc.Kept, bool) {
		k := p.keptPace.get(func() (k keptFree) {
			k.kept, k.ok = p.Kept()
			return k
		})
		return k.kept, k.ok
	}
}

// SpaceAt is Space. If paced it looks seldom, and returns else what the watch of the address space
// has seen last, which is of some moments ago.
func (p *Process) SpaceAt(now time.Time, paced bool) (snap *region.Snapshot, err error) {
	if !paced {
		return p.Space(now)
	}
	look := p.spacePace.get(func() spaceLook {
		snap, err = p.Space(now)
		return spaceLook{now, err}
	})
	if look.at.Equal(now) {
		return snap, err
	}
	return p.memory.lastSeen()
}

// lastSeen is snapshot without a look, unless there was none yet.
func (w *memoryWatch) lastSeen() (*region.Snapshot, error) {
	limit, what := LookPatience, fmt.Sprintf("the address space of process %d", w.pid)
	if w.hangs.Load() {
		return nil, &patience.NoAnswerError{What: what, After: limit}
	}
	return patience.Do(limit, what, func() (*region.Snapshot, error) {
		w.mu.Lock() // a look that goes on may take long
		defer w.mu.Unlock()
		if w.sampler == nil || w.sampler.Last().Polls == 0 {
			return nil, cmp.Or(w.err, region.ErrGone)
		}
		return w.sampler.Last(), w.err
	}, nil)
}
