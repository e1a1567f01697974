package process

import (
	"sync"
	"sync/atomic"
	"time"

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

// get returns what look finds, or found the last time, and whether it looked.
func (p *pacer[T]) get(look func() T) (found T, looked bool) {
	const share = 100
	p.mu.Lock()
	defer p.mu.Unlock()
	stale := p.stale.Swap(false)
	now := time.Now()
	if looked = stale || !now.Before(p.next); looked {
		p.found = look()
		end := time.Now()
		p.next = end.Add(share * end.Sub(now))
	}
	return p.found, looked
}

// forget makes the next get look again: what was found is of another program. It does not wait for
// a look that goes on.
func (p *pacer[T]) forget() { p.stale.Store(true) }

// keptFree is what Process.Kept returns.
type keptFree struct {
	kept ptmalloc.Kept
	ok   bool
}

// KeptAt returns Kept, or a variant that looks seldom if paced.
func (p *Process) KeptAt(paced bool) func() (ptmalloc.Kept, bool) {
	if !paced {
		return p.Kept
	}
	return func() (ptmalloc.Kept, bool) {
		k, _ := p.keptPace.get(func() (k keptFree) {
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
	_, looked := p.spacePace.get(func() (none struct{}) {
		snap, err = p.Space(now)
		return none
	})
	if !looked {
		snap, err = p.memory.lastSeen()
	}
	return snap, err
}
