package heap

import (
	"cmp"
	"slices"

	"memtrace/tracer/book/live"
)

// Snapshot is what is known of the live blocks at one moment. Bytes are as the program
// requested them.
type Snapshot struct {
	live.Snapshot
	// Counters are those of the process asked for, or the sum over all.
	Counters Counters
	// Old is the frees of blocks from before the trace, by the size of their chunks, the most
	// bytes first. It is known of one process at a time, with glibc's malloc (Options.Way).
	// OldUnsized counts the frees of unknown blocks that are not in Old, because the size of
	// their chunk is not known, or may be one that is not traced.
	Old        []live.OldFree
	OldUnsized uint64
	// Inherited is what the process had of its parent when that forked it.
	Inherited Inherited
	// Peak is what the process asked for held at most.
	Peak Peak
	// Threads divides Outstanding by the threads that have allocated it, the largest first.
	Threads []live.ThreadSum
	// Past are stacks that hold nothing, by Options.Past. They are sorted by what they held at
	// the peak, then by how many of their blocks were temporary.
	Past []live.Stack
}

// Snapshot returns what is live. It reads every live block once.
func (h *Heap) Snapshot(opt live.Options) Snapshot {
	var inherited Inherited
	p := h.procs.byPID[opt.PID]
	if p != nil {
		if !p.exited {
			h.copyHeritage(p)
		}
		inherited = p.inherited
		inherited.Listed = p.copied > 0 && !p.exited
	}
	h.sweepRemoved()
	census := live.NewCensus(opt, h.now, &h.clock)
	old, unsized := h.old(&opt)
	census.Replace(old)
	tallies := make([]live.Tally, len(h.stacks.all))
	others := h.servedByOthers(&opt)
	threads := h.tallyThreads(p)
	h.blocks.each(func(b *block) {
		if census.Wants(b.pid) && !h.leftBehind(b) {
			t := &tallies[b.origin.stack()]
			census.Settle(t, b.time)
			census.Count(t, b.addr, b.size(), b.time)
			if threads != nil && census.Old(b.time) {
				threads.count(b)
			}
			if others == nil || !others[b.origin.stack()] {
				census.Serve(t, b.addr, b.size(), b.time, b.origin.chunk())
			}
		}
	})
	past := h.reportAll(census, &opt, tallies)
	counters, exited := h.counters(opt.PID)
	snap := Snapshot{Snapshot: census.Snapshot(exited), Counters: counters, Old: old, OldUnsized: unsized, Inherited: inherited, Past: past}
	if inherited.Listed {
		h.markInherited(snap.Stacks)
	}
	if p != nil {
		snap.Peak = Peak{p.peak.sum, p.peak.time, p.peak.doubtful}
		h.detail(snap.Stacks, threads)
		h.detail(snap.Past, nil)
		snap.Threads = threads.all(snap.Outstanding)
	}
	return snap
}

// reportAll reports to a census all stacks that it wants, and returns those of the past if they are
// asked for.
func (h *Heap) reportAll(census *live.Census, opt *live.Options, tallies []live.Tally) (past []live.Stack) {
	for i, s := range h.stacks.all {
		key := h.stacks.keys[i]
		if s == nil || !census.Wants(key.PID) {
			continue
		}
		p := h.process(key.PID)
		_, copies := h.heirlooms[uint32(i)]
		m := s.measures()
		st := census.Report(key, &s.Account, m.freed, p.start, &tallies[i])
		if st == nil {
			if !opt.Past || copies || s.replaced {
				continue
			}
			past = append(past, census.Past(key, &s.Account, m.freed))
			st = &past[len(past)-1]
		}
		st.Temporary = m.temporary
		if !copies {
			st.Peak = p.peak.of(s)
		}
	}
	slices.SortFunc(past, func(a, b live.Stack) int {
		return cmp.Or(cmp.Compare(b.Peak.Bytes, a.Peak.Bytes), cmp.Compare(b.Temporary, a.Temporary), cmp.Compare(a.ID, b.ID), cmp.Compare(a.PID, b.PID))
	})
	return past
}

// servedByOthers says which stacks are not Options.Ours. It is nil if all are.
func (h *Heap) servedByOthers(opt *live.Options) (others []bool) {
	if opt.Way == nil || opt.Ours == nil {
		return nil
	}
	others = make([]bool, len(h.stacks.all))
	for i, s := range h.stacks.all {
		key := h.stacks.keys[i]
		others[i] = s != nil && key.PID == opt.PID && !opt.Ours(key.ID)
	}
	return others
}

// markInherited marks the stacks whose blocks are copies of a parent's.
func (h *Heap) markInherited(stacks []live.Stack) {
	for i := range stacks {
		s := &stacks[i]
		if index, ok := h.stacks.byKey[live.Key{ID: s.ID, PID: s.PID}]; ok {
			_, s.Inherited = h.heirlooms[index]
		}
	}
}

// Live returns the sum of the live blocks of all processes, of any age. It looks at every process.
func (h *Heap) Live() (sum live.Sum) {
	for _, p := range h.procs.byPID {
		if !p.removed {
			sum = sum.Plus(p.held)
		}
	}
	return sum
}

// Counters returns what was seen of process pid, or of all together if pid is 0.
func (h *Heap) Counters(pid uint32) Counters {
	sum, _ := h.counters(pid)
	return sum
}

// counters returns the counters of pid, 0 for all, and whether it has exited.
func (h *Heap) counters(pid uint32) (sum Counters, exited bool) {
	if pid != 0 {
		p, ok := h.procs.byPID[pid]
		if !ok {
			return Counters{}, false
		}
		return p.counters, p.exited
	}
	exited = len(h.procs.byPID) > 0
	sum = h.past
	for _, p := range h.procs.byPID {
		sum.add(&p.counters)
		exited = exited && p.exited
	}
	return sum, exited
}
