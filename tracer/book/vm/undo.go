package vm

import "slices"

// What munmap and mremap remove leaves the ledger when they are entered, because from then on
// another thread can get the same addresses. If the call fails, the pieces come back. No event
// says that a munmap succeeded, so the pieces are kept until the thread's next event.

// undo is what one munmap or mremap has removed.
type undo struct {
	// addr is what the call was given, time when it was entered, ns.
	addr, time uint64
	// mremap says that the call was mremap. known says that a part of its old range was
	// outstanding.
	mremap, known bool
	// failed says that the call failed, so it changed nothing.
	failed bool
	pieces []region
}

// is reports whether u belongs to the given call.
func (u *undo) is(addr uint64, mremap bool) bool {
	return u != nil && u.addr == addr && u.mremap == mremap
}

const (
	// From manyUndos undos on, those of dead threads are looked for: undos at least staleUndo
	// old, in ns. No munmap takes that long.
	manyUndos = 1024
	staleUndo = 10_000_000_000
)

// undos holds the undos of each thread that has some.
type undos struct {
	// last holds the undo of the thread's last call, as the ring buffer tells it.
	last map[thread]*undo
	// late holds those of late unmaps: calls ahead of the ring, or in the past.
	late map[thread]*queue
	// prune is the size of last at which to look for stale ones next.
	prune int
}

type thread struct{ pid, tid uint32 }

func newUndos() undos {
	return undos{last: make(map[thread]*undo), late: make(map[thread]*queue), prune: manyUndos}
}

// take returns the undo of the last call that t entered up to time (ns), nil if there is none.
// It forgets that undo and all before it.
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

// forget drops the undos of calls that process pid entered up to time (ns).
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

// caughtUp drops late undos once all events of the ring up to time (ns) were applied. Of the
// calls that a thread entered until then, only the last can still be in progress.
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

// take removes the undos up to time (ns) and returns the last of them, if any.
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
