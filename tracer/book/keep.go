package book

import "memtrace/tracer/event"

// A program can have any number of call stacks. Counts by stack are given up first, chosen by
// live.ChooseGivenUp. The addresses of stacks that nothing counts any more are forgotten once
// there are enough of them, in two steps. First the probes are made to send these stacks
// again. Then everything on its way is read, and the stacks that were neither sent nor counted
// by then are dropped. That makes each thread walk every stack once more, so it is done
// rarely.

// KeepWithin gives up stacks when they take more than so many bytes. It returns the stacks to
// forget, nil if there are none. Forget drops them once the probes will send them again.
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

// BeginForgetting makes the book note, until Forget, which of these stacks are sent again.
func (b *Book) BeginForgetting(ids map[event.StackID]struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgetting = ids
}

// Forget drops those stacks of BeginForgetting that were neither counted nor sent since.
func (b *Book) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.removeCounted(b.forgetting)
	b.stacks = b.stacks.Without(b.forgetting)
	clear(b.placed) // a stack that is needed again must be kept again
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

// giveUp makes everything that counts by stack give up some stacks. Where blocks were freed is forgotten
// first, and what that frees may be enough.
func (b *Book) giveUp() {
	before := b.countedBytes()
	b.heap.ForgetFreers()
	for _, r := range b.procs {
		r.sample.ForgetFreers()
	}
	if b.countedBytes() < before/8*7 {
		return
	}
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

// removeCounted removes from ids the stacks that something counts.
func (b *Book) removeCounted(ids map[event.StackID]struct{}) {
	counted := func(id event.StackID) { delete(ids, id) }
	b.heap.EachStack(counted)
	b.vm.EachStack(counted)
	for _, r := range b.procs {
		r.sample.EachStack(counted)
		r.faults.EachStack(counted)
		r.copies.EachStack(counted)
		r.returned.EachStack(counted)
	}
}
