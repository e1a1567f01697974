package sample

import (
	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

const (
	// CandidateBytes is what a candidate takes, the cost of checking it included.
	CandidateBytes = 112 + 28 + 192
	// stackBytes is what a stack takes, most of it while it is being judged.
	stackBytes = 1024
)

// StackBytes returns the memory that the data on stacks takes.
func (s *Set) StackBytes() uint64 {
	if s == nil {
		return 0
	}
	return uint64(len(s.stacks))*stackBytes + s.freers.Bytes()
}

// FreedAt returns by which stacks the blocks of each stack were freed, as far as windows have seen it.
func (s *Set) FreedAt() map[event.StackID][]live.FreedAt {
	return s.freers.Of(func(event.StackID) bool { return true })
}

// ForgetFreers forgets where blocks were freed, to save memory.
func (s *Set) ForgetFreers() {
	if s != nil {
		s.freers = live.Freers{}
	}
}

// EachStack calls f with the ID of every known stack, in no order.
func (s *Set) EachStack(f func(event.StackID)) {
	if s == nil {
		return
	}
	for id := range s.stacks {
		f(id)
	}
	s.freers.EachStack(f)
}

// GiveUp forgets a quarter to a half of the stacks, those that live.ChooseGivenUp selects if a
// candidate counts as a byte. Their candidates, and what was counted of them, go to the stack
// live.GivenUp. While a window is open, GiveUp does nothing.
func (s *Set) GiveUp() {
	if s == nil || s.open {
		return
	}
	var candidates []live.Candidate
	var accounts []*account
	for id, a := range s.stacks {
		if id != live.GivenUp {
			candidates = append(candidates, live.NewCandidate(uint32(len(accounts)), a.candidates-a.deaths, uint64(a.used)))
			accounts = append(accounts, a)
		}
	}
	gone := make(map[*account]bool)
	for _, c := range live.ChooseGivenUp(candidates) {
		a := accounts[c.Index]
		gone[a] = true
		s.counters.GivenUp.Count(&live.Account{Blocks: a.candidates - a.deaths})
		s.account(live.GivenUp).absorb(a)
		delete(s.stacks, a.id)
	}
	move := func(b *block) {
		if gone[b.stack] {
			b.stack = s.account(live.GivenUp)
		}
	}
	for _, b := range s.blocks {
		move(b)
	}
	for _, b := range s.reallocs {
		move(b)
	}
}

// absorb adds what another account has counted.
func (a *account) absorb(o *account) {
	a.allocated = a.allocated.Plus(o.allocated)
	a.candidates += o.candidates
	a.deaths += o.deaths
	a.first, a.used = min(a.first, o.first), max(a.used, o.used)
	if o.ages == nil {
		return
	}
	if a.ages == nil {
		a.ages = new(ages)
	}
	a.ages.absorb(o.ages)
}
