package book

import (
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/book/code"
	"memtrace/tracer/book/faults"
	"memtrace/tracer/book/heap"
	"memtrace/tracer/book/returned"
	"memtrace/tracer/book/sample"
	"memtrace/tracer/book/stacks"
	"memtrace/tracer/book/vm"
	"memtrace/tracer/event"
)

// Config says what a Book holds.
type Config struct {
	// Growth means that allocation functions have no probes: system calls stand for growth of
	// every kind.
	Growth bool
	// Follow means that the children of the processes join them.
	Follow bool
	// Older is the age from which survival is judged.
	Older time.Duration
	// MinSize and MaxSize bound the blocks that are reported, in requested bytes. MaxSize 0
	// stands for no bound.
	MinSize, MaxSize uint64
}

func (c *Config) heap() heap.Config {
	return heap.Config{Older: c.Older, MinSize: c.MinSize, MaxSize: c.MaxSize}
}

// Book holds what is known of the traced processes. The reader calls the methods that take
// events, between Lock and Unlock. All other methods take the lock themselves.
type Book struct {
	cfg Config

	mu       sync.Mutex
	heap     *heap.Heap
	vm       *vm.Ledger
	stacks   *stacks.Store
	procs    map[uint32]*record
	counters event.Counters
	missed   uint64
	seen     Calls
	// alarm is sent to when alarmAt calls have been seen, see AlarmAfter.
	alarm   chan struct{}
	alarmAt uint64
	// tail is the time of Cut (ns).
	tail uint64
	// windowed means that since windowsSince (ns) only windows of time are watched.
	windowed     bool
	windowsSince uint64
	// sharing has the processes that use the address space of another one, and whose.
	sharing map[uint32]uint32
	// sampling is how windows are watched, faults that page faults are sampled.
	sampling sample.Config
	faults   bool
	// unfinished are the stacks that are unwound later.
	unfinished map[event.StackID]unfinished
	// forgetting holds the stacks to drop unless they are sent again, nil if there are none.
	forgetting map[event.StackID]struct{}
	// placed says which stacks the IDs of the probes stand for now, see place. It is nil until
	// code is mapped.
	placed map[placement]event.StackID
}

// record is one process.
type record struct {
	life Life
	// brk is the program break that was seen last, 0 if none was.
	brk uint64
	// code is what was mapped since the trace began.
	code code.Map
	// known is the time (ns) of the last mapping of code of which the file is known.
	known uint64
	// servers are the functions that have served it.
	servers map[Server]struct{}
	// kept is a copy of code for stacks that are unwound later, nil while there is none of now.
	kept *code.Map
	// sample is nil while every call is traced. faults and copies are nil unless page faults are
	// sampled. copies are those on pages that were there, of which a copy may have been made.
	sample         *sample.Set
	faults, copies *faults.Book
	// returned are blocks that were seen outside of windows, nil before the first.
	returned *returned.Ledger
}

// Life is what was seen of the life of a process.
type Life struct {
	// Exited means that its last thread ended, at time Ended (ns of CLOCK_MONOTONIC).
	Exited bool
	Ended  uint64
	// Status is its exit status, if an event told it. 0 also stands for exit(0).
	Status unix.WaitStatus
	// Parent is the process that forked it while it was followed, 0 if none did.
	Parent uint32
	// Began is the time of that fork (ns).
	Began uint64
	// Children counts its forks, Execs the programs it executed.
	Children, Execs uint64
}

// New returns an empty Book; Add gives it processes.
func New(cfg Config) *Book {
	b := &Book{
		cfg:     cfg,
		heap:    heap.New(cfg.heap()),
		vm:      vm.NewLedger(),
		stacks:  stacks.New(),
		procs:   make(map[uint32]*record),
		sharing: make(map[uint32]uint32),
		alarm:   make(chan struct{}, 1),
		alarmAt: math.MaxUint64,
		tail:    math.MaxUint64,
	}
	if cfg.Growth {
		b.vm = vm.NewGrowthLedger()
	}
	return b
}

// Add makes the book track a process, if it does not yet. Lifecycle events and page faults of
// other processes are ignored. Their blocks and mappings are not, but the BPF programs do not
// report those.
func (b *Book) Add(pid uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(pid)
}

// SampleFaults makes the book keep samples of page faults.
func (b *Book) SampleFaults() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = true
	for _, r := range b.procs {
		r.faults, r.copies = faults.New(0), faults.New(0)
	}
}

// leastUnexplained is the growth, in bytes, from which Unexplained tells.
const leastUnexplained = 1 << 20

// Unexplained reports whether the calls that were traced do not account for the growth of
// resident memory: an allocator may be at work that nobody knows. It is false once page faults are
// sampled, and where only windows are watched, which see few of the calls.
func (b *Book) Unexplained(resident int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	live := b.heap.Live().Plus(b.vm.Live())
	return !b.faults && !b.windowed && resident >= leastUnexplained+2*int64(live.Bytes)
}

// BeginGrowth sets what a process has mapped when its growth begins to be watched.
func (b *Book) BeginGrowth(pid uint32, mapped vm.Mapped) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.vm.Begin(pid, mapped)
}

// Lock locks the book for the reader's calls.
func (b *Book) Lock() { b.mu.Lock() }

// Unlock undoes Lock.
func (b *Book) Unlock() { b.mu.Unlock() }

// Apply takes the next event of the ring. The caller holds the lock.
func (b *Book) Apply(ev *event.Event) {
	if len(b.sharing) > 0 {
		b.attribute(ev)
	}
	if b.placed != nil {
		b.place(ev)
	}
	switch ev.Kind {
	case event.Code:
		b.mapCode(ev)
	case event.Stack:
		b.stacks.Add(ev.Stack, ev.Server, ev.Frames, ev.Flags&event.Truncated != 0)
		if r := b.procs[b.owner(ev.PID)]; r != nil {
			r.servedBy(ev.Server)
		}
		delete(b.forgetting, ev.Stack)
		if ev.Flags&event.Later != 0 {
			b.begin(ev)
		}
	case event.Rest: // for those who unwind stacks
	case event.Mmap, event.Munmap, event.MunmapFail, event.MremapEnter, event.Mremap, event.MremapFail, event.Brk, event.Mprotect,
		event.Shmat, event.Shmdt:
		b.vm.Apply(ev)
		r := b.procs[ev.PID]
		if r == nil {
			return
		}
		r.faults.Follow(ev)
		b.mapCode(ev)
		r.copies.Follow(ev)
		if ev.Kind == event.Brk {
			r.brk = ev.Addr
		}
	case event.Fault:
		b.fault(ev)
	case event.Exec, event.Fork, event.Exit:
		b.applyLifecycle(ev)
	case event.Returned:
		if r := b.procs[ev.PID]; r != nil {
			r.addReturned(ev)
		}
	default:
		b.applyBlock(ev)
	}
}

// fault takes a sampled page fault. Arg is the size of the page that was brought in, 0 if it
// is not known.
func (b *Book) fault(ev *event.Event) {
	r := b.procs[ev.PID]
	if r == nil || r.faults == nil {
		return
	}
	pages := r.faults
	if ev.Flags&event.Present != 0 {
		pages = r.copies
	}
	pages.Add(ev.Addr, ev.Stack, ev.Size, ev.Arg, ev.Flags&event.Write != 0)
}

// applyBlock takes an event about a block of an allocation function.
func (b *Book) applyBlock(ev *event.Event) {
	switch {
	case ev.Kind != event.Free:
		if ev.Kind != event.ReallocEnter {
			b.seen.Allocs++
		}
	case ev.Time >= b.tail:
		b.seen.Late++
	default:
		b.seen.Frees++
	}
	if b.seen.Allocs+b.seen.Frees >= b.alarmAt {
		b.alarmAt = math.MaxUint64
		select {
		case b.alarm <- struct{}{}:
		default:
		}
	}
	if !b.windowed {
		b.heap.Apply(ev)
	} else if r := b.procs[ev.PID]; r != nil {
		r.sample.Apply(ev)
		r.returned.Gone(ev.Addr, ev.Time)
	}
}

func (b *Book) applyLifecycle(ev *event.Event) {
	r := b.procs[ev.PID]
	if r == nil {
		return
	}
	switch ev.Kind {
	case event.Fork:
		r.life.Children++
		if b.cfg.Follow {
			b.fork(ev)
		}
		return
	case event.Exec:
		r.life.Execs++
		r.brk, r.returned = 0, nil
		r.forgetCode(b)
		r.faults.Clear()
		r.copies.Clear()
	case event.Exit:
		r.life.Exited, r.life.Ended = true, ev.Time
		r.life.Status = unix.WaitStatus(ev.Addr)
	}
	if b.windowed {
		r.sample.Apply(ev)
	} else {
		b.heap.Apply(ev)
	}
	b.vm.Apply(ev)
}

// Exited reports whether a process has ended. One that was removed has.
func (b *Book) Exited(pid uint32) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.procs[pid]
	return r == nil || r.life.Exited
}

// AllExited reports whether all processes have ended.
func (b *Book) AllExited() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.procs {
		if !r.life.Exited {
			return false
		}
	}
	return true
}

// End records that a process, which was there at one time (ns), had ended at another, for an end
// that no event reported.
func (b *Book) End(pid uint32, seen, time uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.procs[pid]; r != nil && !r.life.Exited && r.life.Began <= seen {
		r.life.Exited, r.life.Ended = true, time
	}
}
