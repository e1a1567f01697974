package tracer

import (
	"fmt"
	"time"

	"memtrace/tracer/event"
	"memtrace/tracer/live"
	"memtrace/tracer/report"
	"memtrace/tracer/sample"
)

// Memory is held within Config.MaxMemory by what may be remembered of call stacks, of
// which programs can have any number: a quarter of what there is room for, since a report
// takes some more for each of them. What is counted by stack is given up first, as live.ChooseGivenUp says.
// The addresses of stacks that nothing counts any more are forgotten when there are
// enough of them, in two steps: the probes are made to send these stacks again, and those
// that were not sent, nor counted, until everything was read that was on its way are
// dropped. That costs each thread a walk of every stack once, so that it is done rarely.
const (
	stackShare  = 4 // one part in so many is for stacks
	sampleShare = 2 // and one in so many for the candidates of windows of time
	// programMemory is what memtrace takes that is no data: its text above all.
	programMemory = 24 << 20
	// blockMemory is what a live block may take besides.
	blockMemory = 64
	// forgetGrace is how long a thread may be on its way with a stack that it takes for
	// known.
	forgetGrace = 500 * time.Millisecond
)

// room is what Config.MaxMemory leaves for data. The ring buffer is mapped twice; a large
// one does not leave less than nothing.
func (c *Config) room() uint64 {
	return c.MaxMemory - programMemory - min(2*uint64(c.RingSize), c.MaxMemory/2)
}

// stackRoom is what may be remembered of stacks, in bytes.
func (c *Config) stackRoom() uint64 {
	if c.stackMemory > 0 {
		return c.stackMemory
	}
	return c.room() / stackShare
}

// forgetting is stacks that the probes will send again and that are to be dropped.
type forgetting struct {
	ids   map[event.StackID]struct{} // nil: there are none
	begun time.Time
	// until is what the reader must have consumed, 0 while that is not known.
	until uint64
}

// sentAgain keeps a stack.
func (f *forgetting) sentAgain(id event.StackID) { delete(f.ids, id) }

// sampleConfig bounds what is kept of a process's windows.
func (t *Tracer) sampleConfig(p *process) sample.Config {
	const most = 1 << 20
	room := t.cfg.room() / sampleShare / uint64(len(t.procs)) / sample.CandidateBytes
	return sample.Config{SkipMapped: p.malloc != nil, MaxCandidates: int(min(room, most))}
}

// countedBytes is the memory of what is counted by stack.
func (t *Tracer) countedBytes() uint64 {
	bytes := t.heap.StackBytes() + t.vm.StackBytes()
	for _, p := range t.procs {
		bytes += p.sample.StackBytes()
	}
	return bytes
}

// giveUpStacks has all who count by stack give some up.
func (t *Tracer) giveUpStacks() {
	t.heap.GiveUp()
	t.vm.GiveUp()
	for _, p := range t.procs {
		p.sample.GiveUp()
	}
}

// uncounted returns the stacks that nothing counts.
func (t *Tracer) uncounted() map[event.StackID]struct{} {
	ids := make(map[event.StackID]struct{}, t.stacks.Len())
	t.stacks.Each(func(id event.StackID) { ids[id] = struct{}{} })
	t.removeCounted(ids)
	return ids
}

// removeCounted leaves the stacks in ids that nothing counts.
func (t *Tracer) removeCounted(ids map[event.StackID]struct{}) {
	counted := func(id event.StackID) { delete(ids, id) }
	t.heap.EachStack(counted)
	t.vm.EachStack(counted)
	for _, p := range t.procs {
		p.sample.EachStack(counted)
		p.faults.eachStack(counted)
	}
}

// keepWithin gives up what is too much. caughtUp says that the ring has just been read to
// its end.
func (s sink) keepWithin(caughtUp bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	share := s.cfg.stackRoom()
	if s.countedBytes() > share/4*3 {
		s.giveUpStacks()
	}
	if s.forgetting.ids != nil {
		s.finishForgetting(caughtUp)
		return nil
	}
	if s.countedBytes()+s.stacks.MemoryBytes() <= share {
		return nil
	}
	ids := s.uncounted()
	if len(ids) < s.stacks.Len()/8 {
		s.giveUpStacks()
		ids = s.uncounted()
	}
	return s.forget(ids)
}

// forget makes the probes send stacks again. The caller holds the lock.
func (s sink) forget(ids map[event.StackID]struct{}) error {
	if err := s.probes.Unsend(ids); err != nil {
		return err
	}
	// After that, or else a walk that finds one of them sent would be remembered.
	if s.tables != nil {
		if err := s.tables.Announce(); err != nil {
			return err
		}
	}
	s.forgetting = forgetting{ids: ids, begun: time.Now()}
	return nil
}

// finishForgetting drops, once it is time, what is neither counted nor sent again. The
// caller holds the lock.
func (s sink) finishForgetting(caughtUp bool) {
	f := &s.forgetting
	if time.Since(f.begun) < forgetGrace {
		return
	}
	if f.until == 0 {
		f.until = s.stream.Consumed() + uint64(s.stream.Pending())
		return
	}
	if !caughtUp && s.stream.Consumed() < f.until {
		return
	}
	s.removeCounted(f.ids)
	s.stacks = s.stacks.Without(f.ids)
	s.forgetting = forgetting{}
}

// givenUp is how many stacks of a process were given up.
func (f *found) givenUp() live.GiveUps {
	return f.heap.Counters.GivenUp.Plus(f.vm.Counters.GivenUp).Plus(f.sampleGivenUp)
}

// noteGivenUp says what was given up, if anything was.
func (f *found) noteGivenUp(limit uint64) {
	given := f.givenUp()
	if given == (live.GiveUps{}) {
		return
	}
	var held live.Sum
	for _, stacks := range [][]live.Stack{f.heap.Stacks, f.vm.Stacks} {
		for i := range stacks {
			if stacks[i].ID == live.GivenUp {
				held = held.Plus(stacks[i].Sum)
			}
		}
	}
	f.notes = append(f.notes, fmt.Sprintf("To keep within %s (--max-memory) %s stacks were given up, of which %s held something, and not more than those that are told apart: "+
		"%d bytes in %d blocks of what they held are outstanding, in a sum of their own. Sums are exact; of a stack that came back only what it did since then is told apart.",
		report.Size(limit), report.Count(given.Holding+given.Empty), report.Count(given.Holding), held.Bytes, held.Blocks))
}
