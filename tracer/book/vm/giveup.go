package vm

import (
	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// stackBytes is what one stack takes in all fields of a Ledger together.
const stackBytes = 288 + 8 + 36

// StackBytes returns the memory that the sums of stacks take.
func (l *Ledger) StackBytes() uint64 { return uint64(len(l.byKey)) * stackBytes }

// EachStack calls f with the ID of every known stack, in no order.
func (l *Ledger) EachStack(f func(event.StackID)) {
	for key := range l.byKey {
		f(key.ID)
	}
}

// GiveUp forgets a quarter to a half of the stacks, those that live.ChooseGivenUp selects.
// What they hold, and what was counted of them, goes to their process's stack live.GivenUp. It
// looks at every region and every stack once.
func (l *Ledger) GiveUp() {
	var candidates []live.Candidate
	for i, s := range l.stacks {
		if s != nil && s.key.ID != live.GivenUp {
			candidates = append(candidates, s.Candidate(uint32(i)))
		}
	}
	var gone []*stack
	for _, c := range live.ChooseGivenUp(candidates) {
		s := l.stacks[c.Index]
		s.into = l.stack(live.Key{PID: s.key.PID, ID: live.GivenUp})
		l.space(s.key.PID).counters.GivenUp.Count(&s.Account)
		s.into.Absorb(l.now, &s.Account)
		gone = append(gone, s)
	}
	l.eachMapping(func(m *mapping) {
		if m.stack.into != nil {
			m.stack = m.stack.into
		}
	})
	for _, s := range gone {
		delete(l.byKey, s.key)
		l.stacks[s.index] = nil
		l.free = append(l.free, s.index)
	}
}

// eachMapping calls f, once or more often, with every mapping that has a part in place or one
// that may come back.
func (l *Ledger) eachMapping(f func(*mapping)) {
	all := func(pieces []region) {
		for _, r := range pieces {
			f(r.of)
		}
	}
	for _, sp := range l.spaces {
		sp.regions.each(func(r region) { f(r.of) })
		for _, u := range sp.late.list {
			all(u.call.pieces)
		}
	}
	for _, u := range l.undos.last {
		all(u.pieces)
	}
	for _, q := range l.undos.late {
		for _, u := range q.list {
			all(u.pieces)
		}
	}
	for _, o := range l.outcomes {
		all(o.pieces)
	}
}
