package vm

import (
	"maps"

	"memtrace/tracer/event"
)

// shmdt is given an address, and removes what is left of the mapping that shmat made there,
// whatever else was mapped in its range since.

// segments are the System V segments that a process has attached.
type segments struct {
	// attached are their mappings, by address.
	attached map[uint64]attached
	// detached are the times (ns) of calls of shmdt whose shmat the ring has yet to tell, by
	// address.
	detached map[uint64]uint64
}

type attached struct {
	of  *mapping
	end uint64
}

// fewSegments is the number of mappings up to which those are kept that are gone.
const fewSegments = 1024

// attach adds a mapping of a segment, of ev's stack. A Size of 0 means that the segment was gone
// when it was looked for.
func (l *Ledger) attach(sp *space, ev *event.Event) {
	start, end := pages(ev.Addr, ev.Size)
	if start == end {
		return
	}
	l.cut(sp, start, end, ev.Time)
	if gone, ok := sp.segments.detached[start]; ok && gone >= ev.Time {
		return // it stays: of several calls only the newest is known
	}
	m := l.place(sp, start, end, ev)
	if m == nil {
		return
	}
	m.segment = true
	s := &sp.segments
	if s.attached == nil {
		s.attached = make(map[uint64]attached)
	}
	if len(s.attached) >= fewSegments {
		maps.DeleteFunc(s.attached, func(_ uint64, a attached) bool { return a.of.regions == 0 })
	}
	s.attached[start] = attached{m, end}
}

// detach removes what is left of the segment at an address, if there is one. One that mremap has
// moved is the region there.
func (l *Ledger) detach(sp *space, ev *event.Event) {
	start, _ := pages(ev.Addr, 0)
	a, ok := sp.segments.attached[start]
	delete(sp.segments.attached, start)
	if !ok || a.of.regions == 0 {
		if r := sp.regions.overlapping(pages(start, 1)); r != nil && r.start == start && r.of.segment && r.of.time <= ev.Time {
			l.cut(sp, start, r.end, ev.Time)
		}
		return
	}
	for at := start; at < a.end; {
		r := sp.regions.overlapping(at, a.end)
		if r == nil {
			return
		}
		at = r.end
		if r.of == a.of {
			l.cut(sp, max(r.start, start), min(r.end, a.end), ev.Time)
		}
	}
}

// detachLate is detach for a call that did not go through the ring buffer. Its shmat may still be
// in there.
func (l *Ledger) detachLate(sp *space, ev *event.Event) {
	if ev.Time <= sp.execed {
		return
	}
	sp.counters.Shmdt++
	start, _ := pages(ev.Addr, 0)
	if a, ok := sp.segments.attached[start]; !ok || a.of.time <= ev.Time {
		l.detach(sp, ev)
	}
	if sp.segments.detached == nil {
		sp.segments.detached = make(map[uint64]uint64)
	}
	sp.segments.detached[start] = ev.Time
}

// caughtUp forgets late calls up to a time (ns).
func (s *segments) caughtUp(time uint64) {
	maps.DeleteFunc(s.detached, func(_, at uint64) bool { return at <= time })
}
