package book

import "memtrace/tracer/event"

// Programs can have any number of call stacks. What is counted by stack is given up first,
// as live.ChooseGivenUp says. The addresses of stacks that nothing counts any more are
// forgotten when there are enough of them, in two steps: the probes are made to send these
// stacks again, and those that were not sent, nor counted, until everything was read that
// was on its way are dropped. That costs each thread a walk of every stack once, so that it
// is done rarely.

// KeepWithin gives stacks up that are too many for so many bytes. It returns those to
// forget, nil if there are none: once the probes will send them again, Forget drops them.
func (b *Book) KeepWithin(bytes uint64) (forget map[event.StackID]struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.countedBytes() > bytes/4*3 {
		b.giveUp()
	}
	if b.forgetting != nil || b.countedBytes()+b.stacks.MemoryBytes() <= bytes {
		return nil
	}
	forget = b.uncounted()
	if len(forget) < b.stacks.Len()/8 {
		b.giveUp()
		forget = b.uncounted()
	}
	return forget
}

// BeginForgetting has those stacks noted that are sent again, until Forget.
func (b *Book) BeginForgetting(ids map[event.StackID]struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgetting = ids
}

// Forget drops the stacks of BeginForgetting that were neither counted nor sent since.
func (b *Book) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.removeCounted(b.forgetting)
	b.stacks = b.stacks.Without(b.forgetting)
	b.forgetting = nil
}

// countedBytes is the memory of what is counted by stack.
func (b *Book) countedBytes() uint64 {
	bytes := b.heap.StackBytes() + b.vm.StackBytes()
	for _, r := range b.procs {
		bytes += r.sample.StackBytes()
	}
	return bytes
}

// giveUp has all who count by stack give some up.
func (b *Book) giveUp() {
	b.heap.GiveUp()
	b.vm.GiveUp()
	for _, r := range b.procs {
		r.sample.GiveUp()
	}
}

// uncounted returns the stacks that nothing counts.
func (b *Book) uncounted() map[event.StackID]struct{} {
	ids := make(map[event.StackID]struct{}, b.stacks.Len())
	b.stacks.Each(func(id event.StackID) { ids[id] = struct{}{} })
	b.removeCounted(ids)
	return ids
}

// removeCounted leaves the stacks in ids that nothing counts.
func (b *Book) removeCounted(ids map[event.StackID]struct{}) {
	counted := func(id event.StackID) { delete(ids, id) }
	b.heap.EachStack(counted)
	b.vm.EachStack(counted)
	for _, r := range b.procs {
		r.sample.EachStack(counted)
		r.faults.EachStack(counted)
	}
}
