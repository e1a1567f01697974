package vm

import (
	"cmp"
	"slices"
	"sort"

	"memtrace/tracer/event"
)

// Unmaps are never lost. Those for which the ring buffer has no room go to a side map, and
// reach ApplyLateUnmap before or after the ring's events of the same time. Only the time
// decides: an unmap ends the mappings in its range that were made no later than it.

// lateUnmap is a munmap, or the entry of an mremap, that did not go through the ring buffer.
// Until the ring has caught up with it, nothing in [start, end) that was mapped up to the time
// of call is outstanding.
type lateUnmap struct {
	start, end uint64
	// keeps says that the call leaves the old range mapped: an mremap of size 0, which
	// duplicates, or one with MREMAP_DONTUNMAP. Then only call.known is to be found out.
	keeps bool
	call  *undo
	// reach is the greatest end of all up to this one in a sorted list.
	reach uint64
}

// lateUnmaps are those of one process with which the ring has not caught up.
type lateUnmaps struct {
	// list is in order of start if sorted is set. Many are added at a time, and then many are
	// looked up.
	list   []*lateUnmap
	sorted bool
	// newest is not earlier than any of them, ns.
	newest uint64
}

// outcome is the end of an mremap, or of a failed munmap, whose entry was not seen: the entry
// may come late.
type outcome struct {
	addr, time     uint64
	mremap, failed bool
	// pieces are what was taken to be the old range of an mremap.
	pieces []region
}

// ApplyLateUnmap takes a munmap, a shmdt, or the entry of an mremap, that did not go through the ring
// buffer. It unmaps what was mapped in the call's range up to its time, unless the mremap
// leaves that in place. What was mapped later stays. Until CaughtUp, the same holds for
// mappings whose events are still in the ring.
func (l *Ledger) ApplyLateUnmap(ev *event.Event) {
	l.now = max(l.now, ev.Time)
	if ev.Kind == event.Shmdt {
		l.detachLate(l.space(ev.PID), ev)
		return
	}
	sp, th := l.space(ev.PID), thread{ev.PID, ev.TID}
	mremap := ev.Kind == event.MremapEnter
	o, over := l.outcomes[th]
	if over = over && o.addr == ev.Addr && o.mremap == mremap && o.time >= ev.Time; over {
		delete(l.outcomes, th)
	}
	if over && o.failed {
		return
	}
	if !mremap {
		sp.counters.Munmap++
	}
	if ev.Time <= sp.execed {
		return
	}
	u := &lateUnmap{call: &undo{addr: ev.Addr, time: ev.Time, mremap: mremap}}
	if u.start, u.end = pages(ev.Addr, ev.Size); mremap {
		u.keeps = ev.Size == 0 || ev.Arg&mremapDontUnmap != 0
		u.start, u.end = pages(ev.Addr, max(ev.Size, 1))
	}
	if over {
		// What the call's end in the ring could only guess is known now.
		l.restore(sp, o.pieces)
	} else {
		l.undos.putLate(th, u.call)
	}
	l.end(sp, u)
	sp.late.add(u)
}

// end removes what u has unmapped.
func (l *Ledger) end(sp *space, u *lateUnmap) {
	if u.keeps {
		u.call.known = u.call.known || sp.regions.had(u.start, u.end, u.call.time)
		return
	}
	pieces := l.cut(sp, u.start, u.end, u.call.time)
	u.call.known = u.call.known || len(pieces) > 0
	u.call.pieces = append(u.call.pieces, pieces...)
}

// endLate removes from r, which has just been inserted, what late unmaps have unmapped: each
// takes what the ones before it have left.
func (l *Ledger) endLate(sp *space, r region) {
	for _, u := range sp.late.over(r) {
		l.end(sp, u)
	}
}

// CaughtUp says that the ring buffer's events up to t (ns) were applied. Late unmaps up to t
// then have nothing left to wait for. Call it now and then to forget them.
func (l *Ledger) CaughtUp(t uint64) {
	for _, sp := range l.spaces {
		sp.late.forget(t)
		sp.segments.caughtUp(t)
	}
	for th, o := range l.outcomes {
		if o.time <= t {
			delete(l.outcomes, th)
		}
	}
	l.undos.caughtUp(t)
}

func (ls *lateUnmaps) add(u *lateUnmap) {
	if u.start == u.end {
		return
	}
	ls.list = append(ls.list, u)
	ls.sorted = false
	ls.newest = max(ls.newest, u.call.time)
}

// over returns those that hit r and did not fail, in order of time.
func (ls *lateUnmaps) over(r region) (hit []*lateUnmap) {
	if len(ls.list) == 0 || r.of.time > ls.newest {
		return nil
	}
	ls.sort()
	n := sort.Search(len(ls.list), func(i int) bool { return ls.list[i].start >= r.end })
	for n--; n >= 0 && ls.list[n].reach > r.start; n-- {
		if u := ls.list[n]; u.end > r.start && u.call.time >= r.of.time && !u.call.failed {
			hit = append(hit, u)
		}
	}
	slices.Reverse(hit)
	slices.SortStableFunc(hit, func(a, b *lateUnmap) int { return byTime(a.call, b.call) })
	return hit
}

// sort puts the list in order of start.
func (ls *lateUnmaps) sort() {
	if ls.sorted {
		return
	}
	slices.SortStableFunc(ls.list, func(a, b *lateUnmap) int { return cmp.Compare(a.start, b.start) })
	reach := uint64(0)
	for _, u := range ls.list {
		reach = max(reach, u.end)
		u.reach = reach
	}
	ls.sorted = true
}

// forget drops those up to time (ns).
func (ls *lateUnmaps) forget(time uint64) {
	ls.list = slices.DeleteFunc(ls.list, func(u *lateUnmap) bool { return u.call.time <= time })
	// The rest is still in order, and no end exceeds its reach.
	if len(ls.list) == 0 {
		ls.newest = 0
	}
}

func byTime(a, b *undo) int { return cmp.Compare(a.time, b.time) }
