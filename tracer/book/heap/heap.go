package heap

import (
	"math"
	"time"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
	"memtrace/tracer/trend"
)

// DefaultOlder is the survival age where Config does not set one.
const DefaultOlder = 500 * time.Millisecond

// Config configures a Heap. The zero Config is ready to use.
type Config struct {
	// Older is the age from which an allocation counts for live.Stack.Survival; 0 means
	// DefaultOlder. A Snapshot can use no greater age for that.
	Older time.Duration
	// MinSize and MaxSize bound the blocks that are reported, in requested bytes. MaxSize 0
	// stands for no bound. Frees are reported of all blocks.
	MinSize, MaxSize uint64
}

// Heap holds the live malloc blocks of the traced processes, by stack.
type Heap struct {
	cfg    Config
	clock  trend.Clock
	blocks table
	stacks stacks
	procs  processes
	// callers are the threads that allocate. all: blocks of all sizes are reported.
	callers callers
	all     bool

	// pending is the block that each thread has inside realloc.
	pending map[thread]pending
	failed  map[thread]failure

	// heirs counts the processes with a heritage, departed is what they may still ask for.
	heirs    int
	departed departures
	// copied is how many blocks heirs have copies of.
	copied uint64
	// heirlooms are the stacks of such copies. No child allocates by a stack of its parent, whose
	// id is another one.
	heirlooms map[uint32]struct{}
	// removed counts the processes that wait for a sweep; past is what the swept ones counted.
	removed int
	past    Counters

	// freers is where blocks were freed.
	freers live.Freers

	late    tombstones
	evicted map[address]evictions

	// now is the latest time seen.
	now uint64
	// gap is the latest Gap of all processes together. It also holds for processes not yet
	// seen.
	gap uint64
}

// thread identifies a thread of a traced process.
type thread struct{ pid, tid uint32 }

// New returns an empty Heap.
func New(cfg Config) *Heap {
	if cfg.Older <= 0 {
		cfg.Older = DefaultOlder
	}
	if cfg.MaxSize == 0 {
		cfg.MaxSize = math.MaxUint64
	}
	return &Heap{
		cfg:     cfg,
		clock:   trend.NewClock(cfg.Older),
		blocks:  newTable(),
		stacks:  newStacks(),
		procs:   newProcesses(),
		callers: callers{byThread: make(map[thread]*caller)},
		all:     cfg.MinSize == 0 && cfg.MaxSize == math.MaxUint64,
		pending: make(map[thread]pending),
		failed:  make(map[thread]failure),
		late:    newTombstones(),
		evicted: make(map[address]evictions),

		heirlooms: make(map[uint32]struct{}),
	}
}

// MemoryBytes returns the memory that the table of live blocks takes. It stays below 64 bytes
// a block from 40,000 blocks on; an empty table takes 256 KiB. The table grows in place, so
// this is also its peak.
func (h *Heap) MemoryBytes() uint64 { return h.blocks.memoryBytes() }

// Apply takes the next event from the ring buffer. It ignores kinds that do not concern the
// heap, and blocks at address 0, which do not exist.
func (h *Heap) Apply(ev *event.Event) {
	if ev.Kind > event.ReallocFail && ev.Kind != event.Exec && ev.Kind != event.Exit {
		return
	}
	h.now = max(h.now, ev.Time)
	p := h.procs.last
	if p.pid != ev.PID || p.pid == 0 {
		p = h.process(ev.PID)
	}
	if len(p.ends.ended) > 0 {
		p.ends.runs(p, ev.TID, ev.Time)
	}
	switch ev.Kind {
	case event.Alloc:
		p.counters.Alloc++
		if len(h.pending) > 0 {
			h.finishStale(ev)
		}
		h.add(p, ev)
	case event.Free:
		p.counters.Free++
		h.free(p, ev)
	case event.ReallocEnter:
		h.reallocEnter(p, ev)
	case event.Realloc:
		p.counters.Realloc++
		if len(h.pending) > 0 {
			h.finishStale(ev)
		}
		h.add(p, ev)
	case event.ReallocFail:
		h.reallocFail(p, ev)
	case event.Exec:
		h.exec(p, ev)
	case event.Exit:
		h.exit(p)
	}
}

// process returns the process pid, a new one if need be.
func (h *Heap) process(pid uint32) *process {
	p, fresh := h.procs.get(pid)
	if fresh {
		p.start = h.now
		p.gap = h.gap
		p.cutoff = h.gap
	}
	return p
}

// add takes in the block that ev says was allocated.
func (h *Heap) add(p *process, ev *event.Event) {
	if ev.Addr == 0 {
		return
	}
	index, s := h.stacks.get(ev.PID, ev.Stack)
	size := min(ev.Size, maxSize)
	s.Allocate(&h.clock, ev.Time, size)
	h.countSize(s, size)
	s.replaced = false
	c := h.callers.cached(p, ev.TID)
	if c == nil {
		c = h.caller(p, ev.TID)
	}
	c.last = ev.Addr
	h.place(p, s, &block{addr: ev.Addr, extent: extentOf(size, c.slot), time: ev.Time, origin: originOf(index, ev.Flags), pid: ev.PID})
}

// place puts b, which was allocated at b.time by s, into the live set, unless something known
// from a later time says that it is gone.
func (h *Heap) place(p *process, s *stack, b *block) {
	if b.time <= p.cutoff {
		h.drop(p, b)
		return
	}
	if len(h.late.byAddr) != 0 && h.claim(p, b) {
		return
	}
	if p.heritage != nil {
		if _, missed := h.inherit(p, b.addr); missed {
			p.counters.Evicted++
		}
	}
	if old, evicted := h.blocks.put(b); evicted {
		h.evict(p, &old)
		h.leave(p, &old).freedUnseen++
	}
	p.peak.keep(s)
	p.held.Add(b.size())
	s.join(h.now, b.size())
	if p.forks {
		h.joinFork(p, b)
	}
	if p.rises() {
		h.rise(p)
	}
}

// leave takes b, which was in the live set of p, off the sums. It returns its stack.
func (h *Heap) leave(p *process, b *block) *stack {
	p.held.Sub(b.size())
	s := h.stacks.at(b.origin.stack())
	if p.forks {
		h.leaveFork(p, b)
	}
	p.peak.keep(s)
	s.leave(h.now, b.size())
	return s
}

// drop counts b, which is not in the live set, as neither freed nor live: its process has
// execed, or its free may be among those that were lost.
func (h *Heap) drop(p *process, b *block) {
	h.stacks.at(b.origin.stack()).Drop(&h.clock, b.time)
	if b.time > p.execed {
		p.counters.Dropped.Add(b.size())
		p.peak.doubtful = true
	}
}

// free ends the block at ev.Addr.
func (h *Heap) free(p *process, ev *event.Event) {
	if ev.Addr == 0 {
		return
	}
	c := h.callers.cached(p, ev.TID)
	if c == nil {
		c = h.caller(p, ev.TID)
	}
	b, ok := h.blocks.take(ev.PID, ev.Addr)
	if !ok {
		if ev.Flags&event.InAllocator == 0 {
			c.last = 0
		}
		if _, ok = h.inherit(p, ev.Addr); ok {
			return
		}
		if ev.Flags&event.InAllocator != 0 {
			// It is the wrapper's own, or what it was asked to free, which was reported.
			p.counters.Free--
			return
		}
		if !h.late.explains(ev) {
			p.ends.add(p, ev, h.freeUnknown(p, ev.Size))
		}
		return
	}
	h.end(h.leave(p, &b), &b, ev.Time, h.next(c, &b))
	c.last = 0
	if ev.Stack != 0 && (p.copied == 0 || !h.isHeirloom(&b)) {
		h.freers.Add(h.stacks.keys[b.origin.stack()].ID, ev.Stack, ev.Arg)
	}
	h.freedCopy(p, &b)
}

// exec ends everything that the process held. The kernel took it back, so none of it is a
// leak.
func (h *Heap) exec(p *process, ev *event.Event) {
	p.execed = max(p.execed, ev.Time)
	p.cutoff = max(p.cutoff, ev.Time)
	p.exited = false
	h.copyHeritagesOf(p)
	h.dropHeritage(p)
	p.inherited = Inherited{}
	h.forgetHeirlooms(p)
	p.old, p.ends = new(oldFrees), threadEnds{}
	for t, old := range h.pending {
		if t.pid == ev.PID && old.entered <= ev.Time {
			if old.known {
				h.drop(p, &old.block)
			}
			delete(h.pending, t)
		}
	}
	h.forgetFailures(ev.PID)
	h.late.execed(ev.PID, ev.Time)
	h.sweep(ev.PID)
	h.replace(p)
}

// replace is for a process whose blocks were swept away since it runs another program.
func (h *Heap) replace(p *process) {
	h.forgetPeak(p)
	for i, s := range h.stacks.all {
		if s != nil && h.stacks.keys[i].PID == p.pid && s.Blocks == 0 {
			s.replaced = true
		}
	}
}

// exit marks the process as gone. Its blocks stay, because they were never given back. If a
// thread died inside realloc, its block counts as freed: how far the call got is unknown, and
// a false leak is worse than a missed one.
func (h *Heap) exit(p *process) {
	p.exited = true
	h.dropHeritage(p)
	for t, old := range h.pending {
		if t.pid == p.pid {
			h.finish(t, old)
		}
	}
	h.forgetFailures(p.pid)
}

// sweep drops those live blocks of pid, 0 for all processes, that their process's cutoff has
// overtaken.
func (h *Heap) sweep(pid uint32) {
	h.blocks.filter(func(b *block) bool {
		if pid != 0 && b.pid != pid {
			return true
		}
		p := h.process(b.pid)
		if b.time > p.cutoff {
			return true
		}
		h.leave(p, b)
		h.drop(p, b)
		return false
	})
}
