package book

import (
	"time"

	"memtrace/tracer/book/faults"
	"memtrace/tracer/book/heap"
	"memtrace/tracer/book/live"
	"memtrace/tracer/book/sample"
	"memtrace/tracer/book/vm"
	"memtrace/tracer/event"
	"memtrace/tracer/trend"
)

// Asked says what a Copy holds.
type Asked struct {
	// Start is when the trace began, Now the time of the copy, both in ns of CLOCK_MONOTONIC.
	Start, Now uint64
	// Older is the age from which blocks count. Once the process has ended every age counts:
	// what is live then was never given back.
	Older time.Duration
	// Blocks asks for the blocks of each stack, at most MaxBlocks (0: all).
	Blocks    bool
	MaxBlocks int
	// Since, if not 0, is the time from which live.Stack.Since counts, as Now.
	Since uint64
	// Past asks for the stacks that hold nothing any more.
	Past bool
	// Way, if not nil, makes live.Options.Way of the program break that was seen last, 0 if
	// none was.
	Way func(brk uint64) live.Way
	// Ours, if not nil, says of which servers Way knows the blocks.
	Ours func(Server) bool
}

// Copy is what is known of a process at one moment.
type Copy struct {
	// Now is the time that the whole copy is about: the one asked for, or the end of the
	// process. Older is the age from which blocks count in it.
	Now   uint64
	Older time.Duration
	Life  Life

	Heap heap.Snapshot
	VM   vm.Snapshot
	// Sample is nil while every call is traced. From WindowsSince (ns) on it is not.
	Sample       *sample.Snapshot
	WindowsSince uint64
	// Pages are the pages sampled as they were faulted in, Faults the number of faults.
	// FaultsSampled says that faults are sampled at all.
	FaultsSampled bool
	Pages         []faults.Page
	Faults        uint64

	// FreedAt is by which stacks the blocks of each stack were freed, as far as that was sampled.
	FreedAt map[event.StackID][]live.FreedAt

	// Counters and Missed cover all processes. See CountMissed for the latter.
	Counters event.Counters
	Missed   uint64
	// Frames returns the return addresses of a stack, innermost first, the code that each lies
	// in (nil for event.FirstCode), and whether they are truncated. It stays valid for as long
	// as it is needed.
	Frames func(event.StackID) (addresses []uint64, codes []event.CodeID, truncated bool)
	// Origins returns who allocated the blocks at some addresses, as far as known when it is called.
	Origins func(addresses []uint64) []Origin
	// Server returns which function served the allocations of a stack.
	Server func(event.StackID) Server
}

// Copy returns what is known of a process.
func (b *Book) Copy(pid uint32, asked Asked) *Copy {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.procs[pid]
	if r == nil {
		r = new(record) // it was removed
	}
	c := &Copy{
		Now: asked.Now, Older: asked.Older, Life: r.life,
		Counters: b.counters, Missed: b.missed, WindowsSince: b.windowsSince,
		Frames: b.frames(), Server: b.servers(), Origins: b.origins(pid),
	}
	if r.life.Exited {
		c.Older = 0
		c.Now = max(r.life.Ended, asked.Start) // it may have ended during attach
	}
	if b.cfg.Growth {
		c.Older = 0
	}
	opt := live.Options{PID: pid, Now: c.Now, Older: c.Older, Blocks: asked.Blocks, MaxBlocks: asked.MaxBlocks, Since: asked.Since, Past: asked.Past}
	if b.cfg.Growth || b.windowed {
		opt.Blocks, opt.MaxBlocks = true, 0 // to be classified
	}
	c.VM = b.vm.Snapshot(opt)
	if asked.Way != nil {
		opt.Way = asked.Way(r.brk)
	}
	if asked.Ours != nil {
		opt.Ours = func(id event.StackID) bool { return asked.Ours(b.serverOf(id)) }
	}
	opt.LostAllocs = b.counters.LostAlloc + b.counters.LostThread + b.counters.Stale
	c.Heap = b.heap.Snapshot(opt)
	c.FreedAt = b.heap.FreedAt(pid)
	if b.windowed && r.sample != nil {
		s := r.sample.Snapshot(c.Now)
		c.Sample, c.FreedAt = &s, r.sample.FreedAt()
	}
	if r.faults != nil {
		c.FaultsSampled = true
		first, _ := r.faults.Seen()
		again, _ := r.copies.Seen()
		c.Faults, c.Pages = first+again, r.faults.Pages()
		for _, page := range r.copies.Pages() {
			page.Copy = true
			c.Pages = append(c.Pages, page)
		}
	}
	return c
}

// frames returns a lookup of the stacks known now, which still finds them after they are
// forgotten. The lookup takes the lock.
func (b *Book) frames() func(event.StackID) ([]uint64, []event.CodeID, bool) {
	store := b.stacks
	return func(id event.StackID) ([]uint64, []event.CodeID, bool) {
		b.mu.Lock()
		defer b.mu.Unlock()
		return store.FramesIn(id)
	}
}

// servers is frames for who served the stacks.
func (b *Book) servers() func(event.StackID) Server {
	store := b.stacks
	return func(id event.StackID) Server {
		b.mu.Lock()
		defer b.mu.Unlock()
		address, code := store.Server(id)
		return Server{address, code}
	}
}

// History returns a lookup of what a stack of a process held until a time (ns): blocks, or mappings
// if mapped. It is nil for stacks that are not known. The lookup takes the lock.
func (b *Book) History(pid uint32) func(id event.StackID, mapped bool, until uint64) []trend.Sample {
	return func(id event.StackID, mapped bool, until uint64) []trend.Sample {
		b.mu.Lock()
		defer b.mu.Unlock()
		key := live.Key{ID: id, PID: pid}
		if mapped {
			return b.vm.History(key, until)
		}
		return b.heap.History(key, until)
	}
}

// EachStack calls f with every known stack: its return addresses, innermost first, and whether
// they are truncated. The lock is held during the calls.
func (b *Book) EachStack(f func(id event.StackID, addresses []uint64, truncated bool)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stacks.Each(func(id event.StackID) {
		addresses, truncated := b.stacks.Frames(id)
		f(id, addresses, truncated)
	})
}

// Counters returns the counters of the BPF programs as last read.
func (b *Book) Counters() event.Counters {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counters
}

// Mapped calls f with every outstanding mapping [start, end) of a process and the stack that
// made it, in order of address. The lock is held during the calls.
func (b *Book) Mapped(pid uint32, f func(start, end uint64, stack event.StackID)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.vm.Each(pid, f)
}

// FreshThreads returns the threads that were seen to allocate for the first time since the last
// call.
func (b *Book) FreshThreads() []heap.Thread {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.heap.FreshThreads()
}

// Totals are figures over all processes.
type Totals struct {
	// Events counts what was seen, Lost what could not be recorded.
	Events, Lost uint64
	// Live is what is outstanding, of any age.
	Live live.Sum
	// Windowed means that only windows of time are watched. Windows is how many of them count,
	// Survivors how many of their blocks are not known to be gone.
	Windowed           bool
	Windows, Survivors int
}

// Totals returns the figures over all processes. It is cheap.
func (b *Book) Totals() Totals {
	b.mu.Lock()
	defer b.mu.Unlock()
	h, v, c := b.heap.Counters(0), b.vm.Counters(0), &b.counters
	t := Totals{
		Events: h.Alloc + h.Free + h.Realloc + v.Mmap + v.Munmap + v.Mremap + v.Brk + v.Mprotect,
		Lost:   c.LostAlloc + c.LostFree + c.LostMmap + c.LostThread + c.Stale,
		Live:   b.heap.Live().Plus(b.vm.Live()),
	}
	t.Windowed = b.windowed
	for _, r := range b.procs {
		if r.sample != nil {
			t.Windows = max(t.Windows, r.sample.Windows())
			t.Survivors += r.sample.Len()
		}
	}
	return t
}
