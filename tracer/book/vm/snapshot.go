package vm

import (
	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// Counters says what was seen of a process: system calls by the program and by its allocator,
// late unmaps included, except those known to have failed.
type Counters struct {
	Mmap, Munmap, Mremap, Brk, Mprotect, Shmat, Shmdt uint64
	// Dropped is the regions that a Gap made untrustworthy.
	Dropped live.Sum
	// GivenUp counts the stacks that GiveUp has merged.
	GivenUp live.GiveUps
}

func (c *Counters) add(o *Counters) {
	c.Mmap += o.Mmap
	c.Munmap += o.Munmap
	c.Mremap += o.Mremap
	c.Brk += o.Brk
	c.Mprotect += o.Mprotect
	c.Shmat += o.Shmat
	c.Shmdt += o.Shmdt
	c.Dropped = c.Dropped.Plus(o.Dropped)
	c.GivenUp = c.GivenUp.Plus(o.GivenUp)
}

// Snapshot is what is known of the outstanding mappings at one moment. A block is a region, in
// whole pages. Allocated counts mappings made, freed counts mappings of which nothing is left.
type Snapshot struct {
	live.Snapshot
	// Counters are those of the process asked for, or the sum over all.
	Counters Counters
}

// Snapshot returns what is outstanding. It reads every region once.
func (l *Ledger) Snapshot(opt live.Options) Snapshot {
	census := live.NewCensus(opt, l.now, &l.clock)
	tallies := make([]live.Tally, len(l.stacks))
	l.scans++
	for pid, sp := range l.spaces {
		if !census.Wants(pid) {
			continue
		}
		sp.regions.each(func(r region) {
			m := r.of
			if !m.stack.shown() {
				return
			}
			t := &tallies[m.stack.index]
			if m.scan != l.scans {
				m.scan = l.scans
				census.Settle(t, m.time)
			}
			census.Count(t, r.start, r.bytes(), m.time)
		})
	}
	for i, s := range l.stacks {
		if s == nil {
			continue
		}
		census.Report(s.key, &s.Account, s.unmapped(), l.spaces[s.key.PID].start, &tallies[i])
	}
	counters, exited := l.counters(opt.PID)
	return Snapshot{census.Snapshot(exited), counters}
}

// Each calls f with every outstanding region [start, end) of process pid and the stack that
// mapped it, in order of address.
func (l *Ledger) Each(pid uint32, f func(start, end uint64, stack event.StackID)) {
	if sp, ok := l.spaces[pid]; ok {
		sp.regions.each(func(r region) {
			if r.of.stack.shown() {
				f(r.start, r.end, r.of.stack.key.ID)
			}
		})
	}
}

// At returns the stack that made the mapping that begins at an address, when (ns), and its size in bytes.
// stack is 0 if none does.
func (l *Ledger) At(pid uint32, start uint64) (stack event.StackID, time, size uint64) {
	sp, ok := l.spaces[pid]
	if !ok {
		return 0, 0, 0
	}
	r := sp.regions.overlapping(start, start+1)
	if r == nil || r.start != start || !r.of.stack.shown() {
		return 0, 0, 0
	}
	return r.of.stack.key.ID, r.of.time, r.bytes()
}

// Live returns the sum of the outstanding regions of all processes, of any age. It costs
// nothing.
func (l *Ledger) Live() live.Sum { return l.total }

// Counters returns what was seen of process pid, or of all together if pid is 0.
func (l *Ledger) Counters(pid uint32) Counters {
	sum, _ := l.counters(pid)
	return sum
}

// counters returns the counters of pid, 0 for all, and whether it has exited.
func (l *Ledger) counters(pid uint32) (sum Counters, exited bool) {
	if pid != 0 {
		sp, ok := l.spaces[pid]
		if !ok {
			return Counters{}, false
		}
		return sp.counters, sp.exited
	}
	exited = len(l.spaces) > 0
	sum = l.past
	for _, sp := range l.spaces {
		sum.add(&sp.counters)
		exited = exited && sp.exited
	}
	return sum, exited
}
