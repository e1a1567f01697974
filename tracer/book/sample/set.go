package sample

import (
	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// Config says which of a process's blocks count.
type Config struct {
	// SkipMapped leaves out blocks whose chunk is a mapping of its own (event.ChunkMmapped),
	// which are counted elsewhere.
	SkipMapped bool
	// MaxCandidates bounds how many candidates are kept (default 1<<20). A window that would
	// exceed it counts as not watched.
	MaxCandidates int
}

// Set is what is known of the blocks of one process.
type Set struct {
	cfg    Config
	blocks map[uint64]*block
	stacks map[event.StackID]*account
	// young are the blocks born in the open window. touched are the stacks that allocated in
	// it.
	young   []*block
	touched []*account
	open    bool
	// full says that there was no room for all blocks of the open window.
	full       bool
	windows    []window
	reallocs   map[uint32]*block
	candidates int
	// ages are the ages at which candidates ended. idleAges are those of candidates whose
	// content had not changed.
	ages, idleAges ages
	counters       Counters
	pace           pace
	// freers is where blocks of windows were freed, as far as windows saw it.
	freers live.Freers
}

// Counters says what became of candidates.
type Counters struct {
	// Candidates is how many there were in all.
	Candidates uint64
	// Freed, Reused and FoundFree count candidates that ended because a window saw the free,
	// or the address handed out again, or because a check found the chunk free.
	Freed, Reused, FoundFree uint64
	// Dropped counts windows whose evidence is worth nothing.
	Dropped uint64
	// GivenUp counts the stacks that GiveUp has merged.
	GivenUp live.GiveUps
}

// window is one window of the process. Times are ns of CLOCK_MONOTONIC.
type window struct {
	start, end uint64
	valid      bool
	// calls is the blocks allocated in it.
	calls uint64
}

func (w *window) length() uint64 { return w.end - w.start }

// block is a block that was born in a window.
type block struct {
	addr, size uint64
	born       uint64
	stack      *account
	window     int
	candidate  bool
	ended      bool
	endTime    uint64
	active     bool
	// What the first check found, valid if checks is not 0.
	header, print uint64
	checks        int
}

// account is what is kept of one stack.
type account struct {
	id event.StackID
	// allocated is over the valid windows. now is for the open window, until it ends.
	allocated, now live.Sum
	// candidates is how many there were, deaths how many of them ended.
	candidates, deaths uint64
	ages               *ages // nil if none has ended
	// first is the window of the stack's first allocation in one, used how many windows there
	// were at its last.
	first, used int
}

// died counts the end of a candidate at an age (ns).
func (a *account) died(age uint64) {
	if a.ages == nil {
		a.ages = new(ages)
	}
	a.ages.add(age)
	a.deaths++
}

// New returns an empty Set.
func New(cfg Config) *Set {
	if cfg.MaxCandidates == 0 {
		cfg.MaxCandidates = 1 << 20
	}
	s := &Set{cfg: cfg}
	s.forget()
	return s
}

// forget drops all blocks and everything known of stacks, as after an exec.
func (s *Set) forget() {
	s.blocks = make(map[uint64]*block)
	s.stacks = make(map[event.StackID]*account)
	s.reallocs = make(map[uint32]*block)
	s.young, s.touched, s.windows = nil, nil, nil
	s.open, s.candidates, s.ages, s.idleAges, s.pace, s.freers = false, 0, ages{}, ages{}, pace{}, live.Freers{}
}

// Begin opens a window: every allocation and free is seen from time start on.
func (s *Set) Begin(start uint64) {
	clear(s.reallocs)
	s.windows = append(s.windows, window{start: start})
	s.open, s.full = true, false
}

// End closes the open window. Allocations were seen up to allocs, frees up to the end of the
// window's tail, which is now. valid says that all of them were seen. If not, the window's
// evidence is dropped.
func (s *Set) End(allocs uint64, valid bool) {
	if !s.open {
		return
	}
	s.open = false
	valid = valid && !s.full
	w := &s.windows[len(s.windows)-1]
	w.end, w.valid = max(allocs, w.start), valid
	if !valid {
		s.counters.Dropped++
	}
	for _, b := range s.young {
		if b.ended {
			continue
		}
		if !valid {
			b.ended = true
			delete(s.blocks, b.addr)
			continue
		}
		b.candidate = true
		b.stack.candidates++
		s.candidates++
		s.counters.Candidates++
	}
	for _, a := range s.touched {
		if valid {
			a.allocated = a.allocated.Plus(a.now)
		}
		a.now = live.Sum{}
	}
	s.young, s.touched = s.young[:0], s.touched[:0]
}

// Young returns how many blocks of the open window are not freed.
func (s *Set) Young() (n int) {
	for _, b := range s.young {
		if !b.ended {
			n++
		}
	}
	return n
}

// Apply takes the next event of the process.
func (s *Set) Apply(ev *event.Event) {
	if s.open {
		s.pace.count(ev)
	}
	switch ev.Kind {
	case event.Alloc, event.Realloc:
		delete(s.reallocs, ev.TID)
		s.add(ev)
	case event.Free:
		if b := s.blocks[ev.Addr]; b != nil && ev.Stack != 0 && b.born <= ev.Time {
			s.freers.Add(b.stack.id, ev.Stack, ev.Arg)
		}
		s.Free(ev.Addr, ev.Time)
	case event.ReallocEnter:
		if b := s.blocks[ev.Addr]; b != nil {
			s.end(b, ev.Time, &s.counters.Freed)
			s.reallocs[ev.TID] = b
		}
	case event.ReallocFail:
		s.restore(ev)
	case event.Exec:
		s.forget()
	}
}

// Free ends the block at an address, at time (ns).
func (s *Set) Free(addr, time uint64) {
	if b := s.blocks[addr]; b != nil && b.born <= time {
		s.end(b, time, &s.counters.Freed)
	}
}

func (s *Set) add(ev *event.Event) {
	if ev.Addr == 0 {
		return
	}
	if old := s.blocks[ev.Addr]; old != nil {
		s.end(old, ev.Time, &s.counters.Reused)
	}
	if !s.open || ev.Time < s.windows[len(s.windows)-1].start || s.cfg.SkipMapped && ev.Flags&event.ChunkMmapped != 0 {
		return
	}
	if s.full = s.full || s.candidates+len(s.young) >= s.cfg.MaxCandidates; s.full {
		return
	}
	a := s.account(ev.Stack)
	a.used = len(s.windows)
	if a.now.Blocks == 0 {
		s.touched = append(s.touched, a)
	}
	a.now.Add(ev.Size)
	s.windows[len(s.windows)-1].calls++
	b := &block{addr: ev.Addr, size: ev.Size, born: ev.Time, stack: a, window: len(s.windows) - 1}
	s.blocks[ev.Addr] = b
	s.young = append(s.young, b)
}

// account returns the account of a stack, a new one if need be.
func (s *Set) account(id event.StackID) *account {
	a := s.stacks[id]
	if a == nil {
		a = &account{id: id, first: max(len(s.windows)-1, 0)}
		s.stacks[id] = a
	}
	return a
}

// end removes a block at time (ns).
func (s *Set) end(b *block, time uint64, how *uint64) {
	b.ended, b.endTime = true, time
	delete(s.blocks, b.addr)
	if !b.candidate {
		return
	}
	*how++
	age := time - min(b.born, time)
	s.candidates--
	s.ages.add(age)
	if !b.active {
		s.idleAges.add(age)
	}
	b.stack.died(age)
}

// restore puts back the block that a failed realloc had ended. If its window ended while the
// block was inside realloc, the block is not a candidate and stays away.
func (s *Set) restore(ev *event.Event) {
	b := s.reallocs[ev.TID]
	delete(s.reallocs, ev.TID)
	if b == nil || b.addr != ev.Addr || s.blocks[b.addr] != nil || !b.candidate && !s.open {
		return
	}
	b.ended = false
	s.blocks[b.addr] = b
	if !b.candidate {
		return
	}
	s.counters.Freed--
	s.candidates++
	b.stack.deaths--
	age := b.endTime - min(b.born, b.endTime)
	s.ages.take(age)
	if !b.active {
		s.idleAges.take(age)
	}
	b.stack.ages.take(age)
}

// Counters returns what became of candidates.
func (s *Set) Counters() Counters { return s.counters }

// Len returns how many candidates there are.
func (s *Set) Len() int { return s.candidates }

// Traced returns in how many windows the process was watched, and for how long in all, ns.
func (s *Set) Traced() (windows int, ns uint64) {
	for i := range s.windows {
		if w := &s.windows[i]; w.valid {
			windows++
			ns += w.length()
		}
	}
	return windows, ns
}

// Windows returns how many windows count.
func (s *Set) Windows() (n int) {
	for i := range s.windows {
		if w := &s.windows[i]; w.valid && w.end > 0 {
			n++
		}
	}
	return n
}
