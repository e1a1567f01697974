package vm

import (
	"math"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// A growth ledger takes in every way in which usable memory joins an address space, the
// allocator's included: a rising break, mappings, reserved addresses that mprotect makes usable,
// and what mremap adds behind what it moves. Begin says what was there before the trace. That is
// not growth, but it may become reserved, move and grow.

const protNone = 0 // PROT_NONE of mprotect(2)

// Initial is a range of anonymous memory that existed before the trace.
type Initial struct {
	Start, End uint64
	// Reserved says that the memory cannot be accessed (PROT_NONE).
	Reserved bool
}

// NewGrowthLedger returns an empty Ledger that takes in growth of every kind.
func NewGrowthLedger() *Ledger {
	l := NewLedger()
	l.growth = true
	return l
}

// backgrounds are the accounts of what is not growth. They appear in no snapshot.
type backgrounds struct{ before, reserved stack }

// background makes an account that no snapshot shows.
func background(pid uint32) stack { return stack{key: live.Key{PID: pid}, index: -1} }

// shown reports whether the memory of s is growth.
func (s *stack) shown() bool { return s.index >= 0 }

// Mapped is what a process has mapped at the start.
type Mapped struct {
	// Brk is the program break, 0 if that is unknown: its first change then tells where it
	// was.
	Brk uint64
	// Anonymous are the anonymous mappings, in any order.
	Anonymous []Initial
}

// Begin says what process pid had at the start.
func (l *Ledger) Begin(pid uint32, mapped Mapped) {
	sp := l.space(pid)
	sp.brk = roundUp(mapped.Brk)
	for _, i := range mapped.Anonymous {
		of := &sp.background.before
		if i.Reserved {
			of = &sp.background.reserved
		}
		l.cut(sp, i.Start, i.End, math.MaxUint64)
		l.insert(sp, region{i.Start, i.End, &mapping{stack: of, time: 1}}) // before any event
	}
}

// reserve sets [start, end) aside, which must be free.
func (l *Ledger) reserve(sp *space, start, end, time uint64) {
	l.insert(sp, region{start, end, &mapping{stack: &sp.background.reserved, time: time}})
}

// roundUp rounds addr up to a page boundary.
func roundUp(addr uint64) uint64 { return (addr + pageSize - 1) &^ (pageSize - 1) }

// mmapGrowth is mmap for a growth ledger.
func (l *Ledger) mmapGrowth(sp *space, ev *event.Event) {
	start, end := pages(ev.Addr, ev.Size)
	if ofNoFile(ev) && uint32(ev.Arg) == protNone && start < end {
		l.cut(sp, start, end, math.MaxUint64)
		l.reserve(sp, start, end, ev.Time)
		return
	}
	l.mmap(sp, ev, ofProgram(ev) || ofNoFile(ev))
}

// mprotect makes reserved memory usable, or the other way round. A ledger ignores other
// changes of access rights, and one of mappings alone ignores all of them.
func (l *Ledger) mprotect(sp *space, ev *event.Event) {
	if !l.growth {
		return
	}
	start, end := pages(ev.Addr, ev.Size)
	usable := ev.Arg != protNone
	for start < end {
		r := sp.regions.overlapping(start, end)
		if r == nil {
			return
		}
		from, to := max(r.start, start), min(r.end, end)
		start = to
		reserved := r.of.stack == &sp.background.reserved
		switch {
		case usable && reserved:
			l.cut(sp, from, to, math.MaxUint64)
			l.place(sp, from, to, ev)
		case !usable && r.of.stack.shown():
			l.cut(sp, from, to, math.MaxUint64)
			l.reserve(sp, from, to, ev.Time)
		}
	}
}

// moveBreak takes in a change of the program break, in a growth ledger.
func (l *Ledger) moveBreak(sp *space, ev *event.Event) {
	if !l.growth {
		return
	}
	old, brk := sp.brk, roundUp(ev.Addr)
	sp.brk = brk
	switch {
	case old == 0:
	case brk < old:
		l.cut(sp, brk, old, math.MaxUint64)
	case brk > old:
		l.cut(sp, old, brk, math.MaxUint64)
		l.place(sp, old, brk, ev)
	}
}

// mremapGrowth is mremap for a growth ledger. What the entry removed goes to its new place;
// anything beyond that is growth, except behind memory that the ledger does not know, such as
// a file's, or that is reserved.
func (l *Ledger) mremapGrowth(sp *space, ev *event.Event, entry *undo) {
	var pieces []region
	known := false
	oldStart, _ := pages(ev.Arg, 0)
	if entry.is(ev.Arg, true) {
		known, pieces = entry.known, entry.pieces
	} else if old := sp.regions.overlapping(pages(ev.Arg, 1)); old != nil {
		known = true
		pieces = l.cut(sp, oldStart, old.end, math.MaxUint64)
	}
	if !entry.is(ev.Arg, true) {
		l.outcomes[thread{ev.PID, ev.TID}] = outcome{addr: ev.Arg, time: ev.Time, mremap: true}
	}
	start, end := pages(ev.Addr, ev.Size)
	l.cut(sp, start, end, math.MaxUint64)
	reserved := false
	at := start
	for _, p := range pieces {
		moved := region{start + (p.start - oldStart), min(start+(p.end-oldStart), end), p.of}
		if moved.start >= end {
			break
		}
		l.insert(sp, moved)
		at, reserved = moved.end, p.of.stack == &sp.background.reserved
	}
	switch {
	case !known || at >= end:
	case reserved:
		l.reserve(sp, at, end, ev.Time)
	default:
		l.place(sp, at, end, ev)
	}
}
