package kin

import (
	"cmp"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/trend"
)

const (
	// maxWatched is how many living children are watched at a time.
	maxWatched = 256
	// Share is the most processor time that looking at children may take, as a fraction of one
	// processor. A look at 256 children takes some 8 ms, so that the next is 1.6 s later.
	Share = 0.005
)

// Watch watches a process and its descendants. It may be used by several goroutines.
type Watch struct {
	pid   int
	share float64

	mu      sync.Mutex
	list    *lister
	watched map[int]*child
	ended   ended
	last    Snapshot
	// next is when children may be looked at again.
	next    time.Time
	threads trend.Line
	// stack is that of the process, as in stat.
	stack uint64
	// since is the first of the polls in a row that found the process stopped, zero if the last
	// one did not.
	since time.Time
	// final means that nothing is looked at any more.
	final bool
}

// NewWatch returns a Watch that has seen nothing yet.
func NewWatch(pid int) *Watch {
	return &Watch{pid: pid, share: Share, list: newLister(), watched: make(map[int]*child), ended: ended{past: make(map[kind]Past)}}
}

// Poll looks at the process, and at its descendants unless that would take more than Share of a
// processor.
func (w *Watch) Poll(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.poll(now, false)
}

// Settle looks for the last time.
func (w *Watch) Settle(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.poll(now, true)
	w.final = true
}

func (w *Watch) poll(now time.Time, full bool) {
	s := &w.last
	if w.final {
		return
	}
	if now.Before(s.End) { // who came first has waited longer for the lock
		now = s.End
	}
	state, threads, ok := w.list.status(w.pid)
	if !ok || isEnded(state) && threads <= 1 {
		// Its children are others' now.
		s.Gone, w.final = true, true
		return
	}
	if s.Polls == 0 {
		s.Start, s.End = now, now
		s.Threads.First = threads
	}
	s.Threads.Now = threads
	w.threads.Add(now.Sub(s.Start), float64(threads))
	w.held(state, now)
	s.Polls++
	s.End = now
	if full || s.Looks == 0 || !now.Before(w.next) {
		w.lookAtChildren(now)
	}
}

// held notes the state of the process.
func (w *Watch) held(state byte, now time.Time) {
	s := &w.last
	s.LongestGap = max(s.LongestGap, now.Sub(s.End))
	if !w.since.IsZero() {
		s.LongestHeld = max(s.LongestHeld, now.Sub(w.since))
	}
	s.State = state
	switch state {
	case 'T':
		s.Stopped++
	case 't':
		s.Traced++
	default:
		w.since = time.Time{}
		return
	}
	if w.since.IsZero() {
		w.since = now
	}
}

// lookAtChildren looks at all descendants.
func (w *Watch) lookAtChildren(now time.Time) {
	runtime.LockOSThread() // used is the time of the calling thread
	defer runtime.UnlockOSThread()
	before := used()
	s := &w.last
	s.Looks++
	s.Living, s.Zombies = 0, 0
	if self, ok := w.list.stat(w.pid); ok && self.stack != 0 {
		w.stack = self.stack
	}
	threads := s.Threads.Now
	for _, c := range w.watched {
		threads += c.threads
	}
	pids := w.list.descendants(w.pid, threads)
	s.Truncated = len(pids) == maxListed
	w.lookAtWatched(now)
	w.add(w.lookForNew(pids, now))
	if w.share > 0 {
		w.next = now.Add(time.Duration(float64(used()-before) / w.share))
	}
}

// lookAtWatched looks at the children that are known. A process stays one if its parent ends.
func (w *Watch) lookAtWatched(now time.Time) {
	for pid, c := range w.watched {
		st, ok := w.list.stat(pid)
		if ok = ok && c.same(&st) && !st.ended(); ok {
			var private uint64
			if private, ok = w.list.private(pid); ok {
				c.look(&st, private, now)
				w.last.Living++
				continue
			}
		}
		delete(w.watched, pid)
		w.ended.add(c, w.stack)
	}
}

// lookForNew returns the children that are not watched, and counts the zombies.
func (w *Watch) lookForNew(pids []int, now time.Time) (fresh []*child) {
	for _, pid := range pids {
		if w.watched[pid] != nil {
			continue
		}
		st, ok := w.list.stat(pid)
		switch {
		case !ok:
			continue
		case st.ended():
			w.last.Zombies++
			continue
		}
		if private, ok := w.list.private(pid); ok {
			c := &child{pid: pid}
			c.look(&st, private, now)
			fresh = append(fresh, c)
			w.last.Living++
		}
	}
	return fresh
}

// add watches children. If there are too many, those that hold most are watched. One that is
// watched gives way only to one that holds a quarter more, so that two do not take turns.
func (w *Watch) add(fresh []*child) {
	larger := func(a, b *child) int { return cmp.Compare(b.now, a.now) }
	slices.SortStableFunc(fresh, larger)
	for len(fresh) > 0 && len(w.watched) < maxWatched {
		w.watched[fresh[0].pid] = fresh[0]
		fresh = fresh[1:]
	}
	if len(fresh) == 0 {
		return
	}
	smallest := slices.SortedFunc(maps.Values(w.watched), func(a, b *child) int { return larger(b, a) })
	for i, c := range fresh {
		if i == len(smallest) || c.now <= smallest[i].now+smallest[i].now/4 {
			return
		}
		delete(w.watched, smallest[i].pid)
		w.watched[c.pid] = c
	}
}

// used returns the processor time of the calling thread.
func used() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
