package heap

import "memtrace/tracer/book/live"

// peak is the moment at which a process held most. What each stack held then is saved when the
// stack first changes after it, so that a new peak costs nothing: until then the stack still
// holds what it held at the peak. Copies of a parent's blocks do not count.
type peak struct {
	// sum is what the process held, time when that was (ns).
	sum  live.Sum
	time uint64
	// epoch tells peaks apart. A stack has a saved value of this one if its own epoch is the same.
	epoch uint32
	// aside is what the process holds now of copies, above what it may hold with these, in bytes,
	// without that this is a new peak.
	aside live.Sum
	above uint64
	// doubtful: a free came late, or may have been lost. The process may have held less than was
	// known, or more.
	doubtful bool
}

// keep saves what a stack holds, which is about to change, if it has not changed since the peak.
func (p *peak) keep(s *stack) {
	if s.epoch != p.epoch {
		s.epoch = p.epoch
		s.saved = live.Sum{Bytes: s.Bytes, Blocks: s.Blocks}
	}
}

// of returns what a stack held at the peak.
func (p *peak) of(s *stack) live.Sum {
	if s.epoch == p.epoch {
		return s.saved
	}
	return live.Sum{Bytes: s.Bytes, Blocks: s.Blocks}
}

// rises reports whether a process holds more than ever.
func (p *process) rises() bool { return p.held.Bytes > p.peak.above }

// bound is called where the peak has changed, or what is set aside.
func (k *peak) bound() { k.above = k.sum.Bytes + k.aside.Bytes }

// rise makes now the peak of a process.
func (h *Heap) rise(p *process) {
	k := &p.peak
	k.sum = live.Sum{Bytes: p.held.Bytes - k.aside.Bytes, Blocks: p.held.Blocks - k.aside.Blocks}
	k.time = h.now
	k.bound()
	h.nextEpoch(p)
}

// nextEpoch makes what was saved of a process's stacks void.
func (h *Heap) nextEpoch(p *process) {
	if p.peak.epoch++; p.peak.epoch != 0 {
		return
	}
	p.peak.epoch = 1
	for i, s := range h.stacks.all {
		if s != nil && h.stacks.keys[i].PID == p.pid {
			s.epoch = 0
		}
	}
}

// forgetPeak is for a process that executes another program, once its blocks are gone.
func (h *Heap) forgetPeak(p *process) {
	p.peak = peak{epoch: p.peak.epoch}
	h.nextEpoch(p)
	if p.held != (live.Sum{}) { // what the new program has allocated came before its exec
		h.rise(p)
	}
}

// absorbPeak adds what a stack, which is given up, held at the peak to what the sum of such stacks
// held.
func (h *Heap) absorbPeak(p *process, index, into uint32) {
	h.mix(p, index)
	h.mix(p, into)
	sum := h.stacks.at(into)
	p.peak.keep(sum)
	sum.saved = sum.saved.Plus(p.peak.of(h.stacks.at(index)))
}

// mix makes copies count whose stack is no longer told from others: from now on, and as if they had
// been there at the peak.
func (h *Heap) mix(p *process, index uint32) {
	if _, copies := h.heirlooms[index]; !copies {
		return
	}
	delete(h.heirlooms, index)
	s := h.stacks.at(index)
	s.epoch, s.saved = p.peak.epoch, live.Sum{}
	p.peak.count(s, live.Sum{Bytes: s.Bytes, Blocks: s.Blocks})
}

// count makes copies of a stack count.
func (k *peak) count(s *stack, copies live.Sum) {
	k.keep(s)
	s.saved = s.saved.Plus(copies)
	k.sum = k.sum.Plus(copies)
	k.aside.Bytes -= copies.Bytes
	k.aside.Blocks -= copies.Blocks
	k.bound()
}

// takeBack corrects the peak: a block of a stack, which has left the live set, had been freed by
// a time (ns), before the peak.
func (k *peak) takeBack(s *stack, b *block, time uint64) {
	if time > k.time || b.time > k.time {
		return
	}
	for _, sum := range []*live.Sum{&k.sum, &s.saved} {
		sum.Bytes -= min(b.size(), sum.Bytes)
		sum.Blocks -= min(1, sum.Blocks)
	}
	k.bound()
}

// Peak is what a process held when it held most.
type Peak struct {
	live.Sum
	// Time is when that was (ns), 0 if it never held anything.
	Time uint64
	// Approximate: frees came late or may have been lost, so that the process may have held less
	// then, or more at another time.
	Approximate bool
}
