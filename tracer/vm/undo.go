package vm

import "slices"

// What munmap and mremap take leaves the ledger when they are entered, for from
// then on another thread can be handed the same addresses. Should the call
// fail, the pieces come back. Nothing tells of a munmap that succeeded, so they
// are kept until the thread's next event.

// undo is what one munmap or mremap has removed.
type undo struct {
	// addr is what the call was given, time when it was entered, ns.
	addr, time uint64
	// mremap says that the call was mremap; known, that a part of its old
	// range was outstanding.
	mremap, known bool
	// failed says that the call did not happen.
	failed bool
	pieces []region
}

// is reports whether u is that of the given call.
func (u *undo) is(addr uint64, mremap bool) bool {
	return u != nil && u.addr == addr && u.mremap == mremap
}

const (
	// manyUndos is the number of undos from which those of threads long gone
	// are looked for. staleUndo is how old, in ns, they then are at least: no
	// munmap takes that long.
	manyUndos = 1024
	staleUndo = 10_000_000_000
)

// undos is the undos of each thread that has some.
type undos struct {
	// last is that of the thread's last call, as the ring buffer tells it.
	last map[thread]*undo
	// late is those of late unmaps: calls ahead of the ring, or in the past.
	late map[thread]*queue
	// prune is the number in last at which to look for stale ones next.
	prune int
}

type thread struct{ pid, tid uint32 }

func newUndos() undos {
	return undos{last: make(map[thread]*undo), late: make(map[thread]*queue), prune: manyUndos}
}

// take returns the undo of the last call that t entered until time (ns), nil if
// there is none, and forgets it and all before it.
func (us *undos) take(t thread, time uint64) *undo {
	u := us.last[t]
	if u != nil {
		delete(us.last, t)
	}
	if q := us.late[t]; q != nil {
		if v := q.take(time); v != nil && (u == nil || v.time >= u.time) {
			u = v
		}
		if len(q.list) == 0 {
			delete(us.late, t)
		}
	}
	return u
}

// put keeps the undo of the call that t has just entered.
func (us *undos) put(t thread, u *undo) {
	us.last[t] = u
	if len(us.last) < us.prune {
		return
	}
	for t, old := range us.last {
		if old.time+staleUndo < u.time {
			delete(us.last, t)
		}
	}
	us.prune = max(manyUndos, 2*len(us.last))
}

// putLate keeps the undo of a late unmap.
func (us *undos) putLate(t thread, u *undo) {
	q := us.late[t]
	if q == nil {
		q = &queue{}
		us.late[t] = q
	}
	q.list = append(q.list, u)
	q.sorted = len(q.list) == 1
}

// forget drops the undos of the calls that process pid entered until time (ns).
func (us *undos) forget(pid uint32, time uint64) {
	for t, u := range us.last {
		if t.pid == pid && u.time <= time {
			delete(us.last, t)
		}
	}
	for t, q := range us.late {
		if t.pid != pid {
			continue
		}
		q.take(time)
		if len(q.list) == 0 {
			delete(us.late, t)
		}
	}
}

// caughtUp drops late undos after all events of the ring until time (ns): of
// the calls that a thread entered until then only the last can be going on.
func (us *undos) caughtUp(time uint64) {
	for t, q := range us.late {
		if u := q.take(time); u != nil && u.time+staleUndo >= time {
			q.list = slices.Insert(q.list, 0, u)
		}
		if len(q.list) == 0 {
			delete(us.late, t)
		}
	}
}

// queue is the undos of late unmaps of one thread.
type queue struct {
	list []*undo
	// sorted says that the list is in order of time.
	sorted bool
}

// take removes the undos until time (ns) and returns the last of them, if any.
func (q *queue) take(time uint64) *undo {
	if !q.sorted {
		slices.SortStableFunc(q.list, byTime)
		q.sorted = true
	}
	n := 0
	for n < len(q.list) && q.list[n].time <= time {
		n++
	}
	if n == 0 {
		return nil
	}
	u := q.list[n-1]
	q.list = q.list[n:]
	return u
}
