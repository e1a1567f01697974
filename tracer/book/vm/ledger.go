package vm

import (
	"math"
	"time"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
	"memtrace/tracer/trend"
)

// SurvivalAge is the age from which a mapping counts for live.Stack.Survival. A Snapshot can
// use no greater age for that.
const SurvivalAge = 500 * time.Millisecond

// pageSize is what the kernel rounds mappings to. Huge pages are multiples of it, and must be
// unmapped as such.
const pageSize = 4096

const (
	protExec        = 4     // PROT_EXEC of mmap(2)
	mapAnonymous    = 0x20  // MAP_ANONYMOUS of mmap(2)
	mapDenyWrite    = 0x800 // MAP_DENYWRITE of mmap(2), which only dynamic loaders give
	mremapDontUnmap = 4     // MREMAP_DONTUNMAP of mremap(2)
)

// Ledger holds the outstanding mappings of the traced processes, by stack.
type Ledger struct {
	clock  trend.Clock
	spaces map[uint32]*space
	// stacks is nil at the free indices, whose stacks were given up.
	stacks []*stack
	free   []int
	byKey  map[live.Key]*stack
	// total is the sum of the regions.
	total live.Sum
	// growth says that NewGrowthLedger made it.
	growth bool

	// undos are of calls that may still fail, outcomes of calls whose entries may come late.
	undos    undos
	outcomes map[thread]outcome
	// now is the latest time seen, gap the latest Gap of all processes together, ns.
	now, gap uint64
	// past is what removed processes counted.
	past Counters
	// scans is the number of snapshots taken.
	scans uint64
}

// space is the address space of a process.
type space struct {
	regions  regions
	late     lateUnmaps
	counters Counters
	exited   bool
	// start is when the process was first seen, ns.
	start uint64
	// Mappings made up to gap cannot be trusted, those made up to execed are gone, ns.
	gap, execed uint64
	// loaded is until when the loader ran in a process that was held for that, ns.
	loaded   uint64
	segments segments
	// brk is the break in whole pages, 0 if unknown. Only growth ledgers keep it and the
	// backgrounds.
	brk        uint64
	background backgrounds
}

// NewLedger returns an empty Ledger.
func NewLedger() *Ledger {
	return &Ledger{
		clock:    trend.NewClock(SurvivalAge),
		spaces:   make(map[uint32]*space),
		byKey:    make(map[live.Key]*stack),
		undos:    newUndos(),
		outcomes: make(map[thread]outcome),
	}
}

// Apply takes the next event from the ring buffer. It ignores kinds that do not concern
// mappings.
func (l *Ledger) Apply(ev *event.Event) {
	switch ev.Kind {
	case event.Mmap, event.Munmap, event.MunmapFail, event.MremapEnter, event.Mremap,
		event.MremapFail, event.Brk, event.Mprotect, event.Shmat, event.Shmdt, event.Exec, event.Exit:
	default:
		return
	}
	l.now = max(l.now, ev.Time)
	sp := l.space(ev.PID)
	th := thread{ev.PID, ev.TID}
	last := l.undos.take(th, ev.Time)
	switch ev.Kind {
	case event.Mmap:
		sp.counters.Mmap++
		if l.growth {
			l.mmapGrowth(sp, ev)
		} else {
			l.mmap(sp, ev, ofProgram(ev))
		}
	case event.Munmap:
		sp.counters.Munmap++
		start, end := pages(ev.Addr, ev.Size)
		pieces := l.cut(sp, start, end, math.MaxUint64)
		l.undos.put(th, &undo{addr: ev.Addr, time: ev.Time, pieces: pieces})
	case event.MunmapFail:
		if l.fail(sp, ev, last, false) {
			sp.counters.Munmap--
		}
	case event.MremapEnter:
		l.mremapEnter(sp, ev)
	case event.Mremap:
		sp.counters.Mremap++
		if l.growth {
			l.mremapGrowth(sp, ev, last)
		} else {
			l.mremap(sp, ev, last)
		}
	case event.MremapFail:
		l.fail(sp, ev, last, true)
	case event.Brk:
		sp.counters.Brk++
		l.moveBreak(sp, ev)
	case event.Mprotect:
		sp.counters.Mprotect++
		l.mprotect(sp, ev)
	case event.Shmat:
		sp.counters.Shmat++
		l.attach(sp, ev)
	case event.Shmdt:
		sp.counters.Shmdt++
		l.detach(sp, ev)
	case event.Exec:
		l.exec(sp, ev)
	case event.Exit:
		sp.exited = true
		l.undos.forget(ev.PID, ev.Time)
	}
}

// exec ends all that a process had.
func (l *Ledger) exec(sp *space, ev *event.Event) {
	sp.exited = false
	sp.execed = max(sp.execed, ev.Time)
	sp.brk = 0
	l.undos.forget(ev.PID, ev.Time)
	sp.late.forget(ev.Time)
	sp.segments = segments{}
	l.drop(sp, func(*mapping) bool { return true })
}

// space returns the address space of process pid, a new one if need be.
func (l *Ledger) space(pid uint32) *space {
	sp, ok := l.spaces[pid]
	if !ok {
		sp = &space{start: l.now, gap: l.gap, background: backgrounds{background(pid), background(pid)}}
		l.spaces[pid] = sp
	}
	return sp
}

// ofProgram reports whether a mapping is the program's own. Code is not, nor what a dynamic loader
// maps beside it.
func ofProgram(ev *event.Event) bool {
	return ev.Flags&event.InAllocator == 0 && (ofNoFile(ev) || ev.Arg>>32&mapDenyWrite == 0 && ev.Arg&protExec == 0)
}

func ofNoFile(ev *event.Event) bool { return ev.Arg>>32&mapAnonymous != 0 }

// mmap replaces what is in the range of ev, by a mapping of ev's stack if it is the program's
// own.
func (l *Ledger) mmap(sp *space, ev *event.Event, own bool) *mapping {
	start, end := pages(ev.Addr, ev.Size)
	l.cut(sp, start, end, math.MaxUint64)
	if own && start < end {
		return l.place(sp, start, end, ev)
	}
	return nil
}

// place adds a mapping of ev's stack at [start, end), which must be free. It returns nil if that
// cannot be trusted.
func (l *Ledger) place(sp *space, start, end uint64, ev *event.Event) *mapping {
	s := l.stack(live.Key{ID: ev.Stack, PID: ev.PID})
	s.Allocate(&l.clock, ev.Time, end-start)
	if ev.Time <= sp.loaded {
		s.Drop(&l.clock, ev.Time)
		return nil
	}
	if ev.Time <= sp.gap {
		s.Drop(&l.clock, ev.Time)
		sp.counters.Dropped.Add(end - start)
		return nil
	}
	m := &mapping{stack: s, time: ev.Time}
	l.insert(sp, region{start, end, m})
	return m
}

// insert adds r, whose range must be free.
func (l *Ledger) insert(sp *space, r region) {
	sp.regions.insert(r)
	l.grow(r, 1)
	l.endLate(sp, r)
}

// mremapEnter removes the old range of an mremap, unless it stays mapped.
func (l *Ledger) mremapEnter(sp *space, ev *event.Event) {
	u := &undo{addr: ev.Addr, time: ev.Time, mremap: true}
	start, end := pages(ev.Addr, max(ev.Size, 1))
	u.known = sp.regions.overlapping(start, end) != nil
	if ev.Size > 0 && ev.Arg&mremapDontUnmap == 0 {
		u.pieces = l.cut(sp, start, end, math.MaxUint64)
	}
	l.undos.put(thread{ev.PID, ev.TID}, u)
}

// mremap replaces what is in the new range, by a mapping of mremap's stack if at least part of
// the old range was outstanding. Otherwise the old range is the allocator's, a file's or older
// than the trace, and so is the new one. If the entry was not seen, everything from the old
// address to its region's end is taken to be the old range.
func (l *Ledger) mremap(sp *space, ev *event.Event, entry *undo) {
	var known bool
	var pieces []region
	if entry.is(ev.Arg, true) {
		known, pieces = entry.known, entry.pieces
	} else {
		o := outcome{addr: ev.Arg, time: ev.Time, mremap: true}
		start, end := pages(ev.Arg, 1)
		if old := sp.regions.overlapping(start, end); old != nil {
			known = true
			o.pieces = l.cut(sp, start, old.end, math.MaxUint64)
			pieces = o.pieces
		}
		l.outcomes[thread{ev.PID, ev.TID}] = o
	}
	if m := l.mmap(sp, ev, known && ev.Flags&event.InAllocator == 0); m != nil && len(pieces) > 0 {
		m.segment = pieces[0].of.segment
	}
}

// fail puts back what the munmap or mremap that ev says has failed had removed. It reports
// whether the entry was seen. If not, the entry may come late.
func (l *Ledger) fail(sp *space, ev *event.Event, entry *undo, mremap bool) bool {
	if !entry.is(ev.Addr, mremap) {
		l.outcomes[thread{ev.PID, ev.TID}] = outcome{addr: ev.Addr, time: ev.Time, mremap: mremap, failed: true}
		return false
	}
	entry.failed = true
	l.restore(sp, entry.pieces)
	return true
}

// cut removes what was mapped in [start, end) up to the time until (ns), and returns it.
func (l *Ledger) cut(sp *space, start, end, until uint64) (pieces []region) {
	sp.regions.cut(start, end, until, func(piece region, change int) {
		l.shrink(piece, change)
		pieces = append(pieces, piece)
	})
	return pieces
}

// restore puts back pieces that were removed, except where something else has been mapped
// since.
func (l *Ledger) restore(sp *space, pieces []region) {
	for _, r := range pieces {
		// What a gap made untrustworthy or an exec ended meanwhile stays away.
		if r.of.time > sp.execed && (r.of.time > sp.gap || !r.of.stack.shown()) {
			sp.regions.restore(r, l.grow)
			l.endLate(sp, r)
		}
	}
}

// Gap says that munmaps or mremaps of process pid, 0 for all processes, before t (ns) were
// lost for good. What was mapped up to t can then not be told from what was unmapped: it is
// dropped, and counted as dropped.
func (l *Ledger) Gap(pid uint32, t uint64) {
	l.now = max(l.now, t)
	if pid == 0 {
		l.gap = max(l.gap, t)
	} else {
		l.space(pid)
	}
	for other, sp := range l.spaces {
		if pid == 0 || pid == other {
			sp.gap = max(sp.gap, t)
			sum := l.drop(sp, func(m *mapping) bool { return m.stack.shown() && m.time <= sp.gap })
			sp.counters.Dropped = sp.counters.Dropped.Plus(sum)
		}
	}
}

// Gap is the addresses from Start up to End, where nothing is mapped.
type Gap struct{ Start, End uint64 }

// Unmapped says that nothing was mapped in [start, end) at time t (ns), so some unmap was not
// seen. What was mapped there before counts as unmapped.
func (l *Ledger) Unmapped(pid uint32, start, end, t uint64) {
	if sp, ok := l.spaces[pid]; ok && start < end {
		l.cut(sp, start, end, t)
	}
}

// drop removes the regions of the mappings for which gone is true, without counting them as
// unmapped. It returns their sum.
func (l *Ledger) drop(sp *space, gone func(*mapping) bool) (sum live.Sum) {
	var kept regions
	sp.regions.each(func(r region) {
		m := r.of
		if !gone(m) {
			kept.insert(r)
			return
		}
		if m.stack.shown() {
			sum.Add(r.bytes())
		}
		l.shrink(r, -1)
		if m.regions == 0 {
			m.stack.Drop(&l.clock, m.time)
		}
	})
	sp.regions = kept
	return sum
}

// pages returns the range of the pages that hold size bytes at addr.
func pages(addr, size uint64) (start, end uint64) {
	start = addr &^ (pageSize - 1)
	if size == 0 {
		return start, start
	}
	last := addr + (size - 1)
	if last < addr || last > math.MaxUint64-pageSize {
		last = math.MaxUint64 - pageSize
	}
	return start, max(start, last&^(pageSize-1)+pageSize)
}
