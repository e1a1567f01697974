package heap

import (
	"cmp"
	"slices"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// A forked child has a copy of all blocks of its parent, and most children need none of it: they
// execute another program or end soon. To copy a million blocks for each would be harm. So a
// child first only refers to its parent's blocks as they were at the fork. Of these the parent
// may end some meanwhile, which are kept in a list as long as a child may ask. The blocks are
// copied into the table only once the child itself forks, is looked at, or outlives its parent,
// or once that list is long.

const (
	// mostDeparted is how many ended blocks are kept for children. They take some 6 MB.
	mostDeparted = 1 << 16
	// mostCopied is how many blocks children may have copies of, all together. They take some
	// 60 MB. A child for which there is no room has none of its parent's blocks.
	mostCopied = 1 << 20
)

// heritage is what a child has of its parent's blocks.
type heritage struct {
	from *process
	// time is that of the fork, ns.
	time uint64
	// gone are the addresses of blocks that have ended in the child.
	gone map[uint64]struct{}
}

// departed is a block that ended in a process with heirs at a time (ns).
type departed struct {
	block
	ended uint64
}

// departures are the blocks that ended while heirs may ask for them.
type departures struct {
	byAddr map[address][]departed
	n      int
}

// Fork says that a process forked a child at a time (ns), which has a copy of its memory.
func (h *Heap) Fork(parent, child uint32, time uint64) {
	h.now = max(h.now, time)
	if h.Vacate(child); h.procs.byPID[child] != nil {
		return // a late event: what the child had is not known
	}
	from := h.process(parent)
	h.copyHeritage(from)
	p := h.process(child)
	p.start, p.cutoff, p.gap = time, from.cutoff, from.gap
	p.inherited.Sum = from.held
	if from.held.Blocks > 0 {
		p.heritage = &heritage{from: from, time: time, gone: make(map[uint64]struct{})}
		from.heirs++
		from.forks = true
		h.heirs++
	}
}

// joinFork is for a block that has come to a process with heirs or copies, leaveFork for one that
// leaves it.
func (h *Heap) joinFork(p *process, b *block) {
	if p.copied > 0 && h.isHeirloom(b) {
		p.peak.aside.Add(b.size())
		p.peak.bound()
	}
}

func (h *Heap) leaveFork(p *process, b *block) {
	if p.heirs > 0 {
		h.depart(p, b)
	}
	if p.copied > 0 && h.isHeirloom(b) {
		p.peak.aside.Sub(b.size())
		p.peak.bound()
	}
}

// depart keeps a block that ends in a process with heirs.
func (h *Heap) depart(p *process, b *block) {
	if h.departed.byAddr == nil {
		h.departed.byAddr = make(map[address][]departed)
	}
	a := address{b.addr, b.pid}
	h.departed.byAddr[a] = append(h.departed.byAddr[a], departed{*b, h.now})
	if h.departed.n++; h.departed.n >= mostDeparted {
		for _, p := range h.procs.byPID {
			h.copyHeritagesOf(p)
		}
	}
}

// inherit ends the block at an address that a process has from its parent. It reports whether
// there was one.
func (h *Heap) inherit(p *process, addr uint64) (b block, ok bool) {
	in := p.heritage
	if in == nil {
		return b, false
	}
	if _, gone := in.gone[addr]; gone {
		return b, false
	}
	b, ok = h.blocks.get(in.from.pid, addr)
	if !ok || b.time > in.time {
		b, ok = h.departed.at(in, addr)
	}
	if ok {
		in.gone[addr] = struct{}{}
		p.inherited.Freed.Add(b.size())
	}
	return b, ok
}

// at returns the block that was at an address at the time of a fork and has ended since.
func (d *departures) at(in *heritage, addr uint64) (block, bool) {
	for _, one := range d.byAddr[address{addr, in.from.pid}] {
		if one.time <= in.time && one.ended > in.time {
			return one.block, true
		}
	}
	return block{}, false
}

// copyHeritage gives a process blocks of its own in place of its heritage.
func (h *Heap) copyHeritage(p *process) {
	in := p.heritage
	if in == nil {
		return
	}
	if h.copied+in.from.held.Blocks+uint64(h.departed.n) > mostCopied {
		h.dropHeritage(p)
		return
	}
	blocks := make(map[uint64]block)
	take := func(b *block) {
		_, gone := in.gone[b.addr]
		if b.pid == in.from.pid && b.time <= in.time && b.time > p.cutoff && !gone {
			blocks[b.addr] = *b
		}
	}
	for _, list := range h.departed.byAddr {
		for i := range list {
			if list[i].ended > in.time {
				take(&list[i].block)
			}
		}
	}
	h.blocks.each(take)
	h.dropHeritage(p)
	sums := make(map[event.StackID]live.Sum)
	for _, addr := range sorted(blocks) {
		b := blocks[addr]
		if h.blocks.has(p.pid, addr) {
			continue // the child has allocated it anew
		}
		id := h.stacks.keys[b.origin.stack()].ID
		index, s := h.stacks.get(p.pid, id)
		s.Allocate(&h.clock, b.time, b.size())
		h.countSize(s, b.size())
		sum := sums[id]
		sum.Add(b.size())
		sums[id] = sum
		b.pid, b.origin, b.extent = p.pid, originOf(index, b.origin.chunk()), extentOf(b.size(), 0)
		h.blocks.put(&b)
		p.held.Add(b.size())
		p.peak.aside.Add(b.size())
		p.peak.bound()
		p.copied++
		p.forks = true
		h.copied++
	}
	for id, sum := range sums {
		index, s := h.stacks.get(p.pid, id)
		if s.AllocatedBlocks == sum.Blocks {
			h.heirlooms[index] = struct{}{}
		} else { // both have given up stacks
			p.peak.count(s, sum)
		}
		s.Inherit(in.time, sum)
	}
}

// sorted returns the addresses in order, so that equal events make equal heaps.
func sorted(blocks map[uint64]block) []uint64 {
	list := make([]uint64, 0, len(blocks))
	for addr := range blocks {
		list = append(list, addr)
	}
	slices.SortFunc(list, cmp.Compare[uint64])
	return list
}

// dropHeritage makes a process have nothing of its parent's any more.
func (h *Heap) dropHeritage(p *process) {
	if p.heritage == nil {
		return
	}
	p.heritage.from.heirs--
	p.heritage = nil
	if h.heirs--; h.heirs == 0 {
		h.departed = departures{}
	}
}

// copyHeritagesOf gives every heir of a process that still runs blocks of its own.
func (h *Heap) copyHeritagesOf(from *process) {
	if from.heirs == 0 {
		return
	}
	for _, p := range h.procs.byPID {
		if p.heritage == nil || p.heritage.from != from {
			continue
		}
		if p.exited {
			h.dropHeritage(p)
			continue
		}
		h.copyHeritage(p)
	}
}

// isHeirloom reports whether a block is a copy of a parent's.
func (h *Heap) isHeirloom(b *block) bool {
	_, ok := h.heirlooms[b.origin.stack()]
	return ok
}

// freedCopy is for a block that a process has freed, which may be a copy of a parent's.
func (h *Heap) freedCopy(p *process, b *block) {
	if p.copied > 0 && h.isHeirloom(b) {
		p.inherited.Freed.Add(b.size())
	}
}

// forgetHeirlooms is for a process whose copies are all gone. New blocks may come by the same
// stacks, if these have no frames.
func (h *Heap) forgetHeirlooms(p *process) {
	if p.copied == 0 {
		return
	}
	for index := range h.heirlooms {
		if h.stacks.keys[index].PID == p.pid {
			delete(h.heirlooms, index)
		}
	}
	h.copied -= p.copied
	p.copied = 0
}

// leftBehind reports whether a block is a copy of a parent's in a process that has ended, where
// it does not count: nobody could have been expected to free it.
func (h *Heap) leftBehind(b *block) bool {
	if len(h.heirlooms) == 0 {
		return false
	}
	p := h.process(b.pid)
	return p.exited && p.copied > 0 && h.isHeirloom(b)
}

// Inherited is what a forked child had of its parent at the fork, and how much of that it has
// freed. What it has not freed is outstanding in it, too, unless it has ended.
type Inherited struct {
	live.Sum
	Freed live.Sum
	// Listed: what is left of it is among the blocks of the process.
	Listed bool
}
