package heap

import "memtrace/tracer/book/live"

// Counters says what was seen of a process.
type Counters struct {
	// Alloc, Free and Realloc count calls that succeeded, late frees included. Realloc is
	// counted when the call returns.
	Alloc, Free, Realloc uint64
	// UnknownFree counts frees and reallocs of an address not known to be live: mostly of
	// blocks older than the trace. It is not reduced when such a realloc fails later.
	UnknownFree uint64
	// Evicted counts blocks whose address was allocated again before their free was seen.
	Evicted uint64
	// Dropped is the blocks that a Gap made untrustworthy.
	Dropped live.Sum
	// GivenUp counts the stacks that GiveUp has merged.
	GivenUp live.GiveUps
}

func (c *Counters) add(o *Counters) {
	c.Alloc += o.Alloc
	c.Free += o.Free
	c.Realloc += o.Realloc
	c.UnknownFree += o.UnknownFree
	c.Evicted += o.Evicted
	c.Dropped = c.Dropped.Plus(o.Dropped)
	c.GivenUp = c.GivenUp.Plus(o.GivenUp)
}

// process is what is kept of a process besides its blocks.
type process struct {
	pid      uint32
	exited   bool
	counters Counters
	old      *oldFrees
	ends     threadEnds
	// start is when the process was first seen. Times are ns.
	start uint64
	// Blocks allocated up to gap cannot be trusted, those allocated up to execed are gone.
	// cutoff is the later of the two.
	gap, execed, cutoff uint64
	// held is the sum of its live blocks, without those of its heritage.
	held live.Sum
	peak peak
	// threads are the ids of its threads by their slots, freeSlots those of threads that hold
	// nothing. newcomers is how many threads have to come before such are looked for again.
	threads   []uint32
	freeSlots []slot
	newcomers int
	// heritage is what it has of its parent's blocks, nil if it has none or a copy of its own.
	// inherited says what that was.
	heritage  *heritage
	inherited Inherited
	copied    uint64
	// forks: there were heirs, or copies.
	forks bool
	// heirs is how many processes have a heritage of this one's blocks.
	heirs int
	// removed: only its memory waits to be freed.
	removed bool
}

// processes finds a process by its pid. That is mostly the one asked for last.
type processes struct {
	byPID map[uint32]*process
	last  *process
}

func newProcesses() processes {
	return processes{byPID: make(map[uint32]*process), last: &process{}}
}

// get returns the process pid, and whether it was made just now.
func (ps *processes) get(pid uint32) (p *process, fresh bool) {
	// PID 0 is never traced. An empty set's last process has it, and must not be handed out.
	if ps.last.pid == pid && pid != 0 {
		return ps.last, false
	}
	p, ok := ps.byPID[pid]
	if !ok {
		p = &process{pid: pid, old: new(oldFrees)}
		ps.byPID[pid] = p
	}
	ps.last = p
	return p, !ok
}
