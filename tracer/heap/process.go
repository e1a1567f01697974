package heap

import "memtrace/tracer/live"

// Counters says what was seen of a process.
type Counters struct {
	// Alloc, Free and Realloc count calls that succeeded, late frees included.
	// Realloc is counted when the call returns.
	Alloc, Free, Realloc uint64
	// UnknownFree counts frees and reallocs of an address that was not known
	// to be live: mostly blocks older than the trace. A realloc that fails
	// later on is not taken back.
	UnknownFree uint64
	// Evicted counts blocks whose address was allocated again although their
	// free had not been seen by then.
	Evicted uint64
	// Dropped is the blocks that a Gap made untrustworthy.
	Dropped live.Sum
	// GivenUp counts the stacks that GiveUp has summed up.
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
	// start is when it was first heard of. Times are ns.
	start uint64
	// Blocks allocated until gap cannot be trusted, those allocated until
	// execed are gone; cutoff is the later one of both.
	gap, execed, cutoff uint64
}

// processes finds a process by its pid. Mostly it is the one asked for last.
type processes struct {
	byPID map[uint32]*process
	last  *process
}

func newProcesses() processes {
	return processes{byPID: make(map[uint32]*process), last: &process{}}
}

// get returns the process pid and whether it was made just now.
func (ps *processes) get(pid uint32) (p *process, fresh bool) {
	// PID 0 is never traced, so the last process of an empty set is no match
	// that matters; it must not be handed out all the same.
	if ps.last.pid == pid && pid != 0 {
		return ps.last, false
	}
	p, ok := ps.byPID[pid]
	if !ok {
		p = &process{pid: pid}
		ps.byPID[pid] = p
	}
	ps.last = p
	return p, !ok
}
