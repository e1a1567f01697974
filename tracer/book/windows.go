package book

import (
	"math"

	"memtrace/tracer/book/heap"
	"memtrace/tracer/book/sample"
	"memtrace/tracer/book/vm"
)

// Calls counts the calls that probes reported, over all processes.
type Calls struct {
	Allocs, Frees uint64
	// Late counts the frees after Cut, which are not in Frees.
	Late uint64
	// LostAllocs, Spilled, LostFrees and LostThreads are those of event.Counters.
	LostAllocs, Spilled, LostFrees, LostThreads uint64
}

// Calls returns how many calls were reported so far.
func (b *Book) Calls() Calls {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.seen
	c.LostAllocs, c.Spilled = b.counters.LostAlloc, b.counters.Spilled
	c.LostFrees, c.LostThreads = b.counters.LostFree, b.counters.LostThread
	return c
}

// AlarmAfter returns a channel that is sent to once so many more calls have been seen.
func (b *Book) AlarmAfter(more uint64) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.alarmAt = b.seen.Allocs + b.seen.Frees + more
	return b.alarm
}

// Watched is a process at the moment from which only windows of it are watched.
type Watched struct {
	Mapped vm.Mapped
	Sample sample.Config
}

// LeaveExact starts over at a time (ns), with windows. What was known of blocks says nothing
// once their frees go unseen, and without the allocator's probes its system calls cannot be
// told from others. watched holds every process.
func (b *Book) LeaveExact(time uint64, watched map[uint32]Watched) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.windowed, b.windowsSince = true, time
	for _, w := range watched {
		b.sampling = w.Sample // for those that join later
	}
	b.heap = heap.New(b.cfg.heap())
	b.vm = vm.NewGrowthLedger()
	for pid, r := range b.procs {
		w := watched[pid]
		b.vm.Begin(pid, w.Mapped)
		r.sample = sample.New(w.Sample)
	}
}

// BeginWindow opens a window for those processes that are to have one. It asks for the time
// (ns) once it has the lock: to wait for that is not to count as watched. efforts is what the
// processes have done, as far as that is known.
func (b *Book) BeginWindow(now func() uint64, has func(pid uint32) bool, efforts map[uint32]sample.Effort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tail = math.MaxUint64
	time := now()
	for pid, r := range b.procs {
		if !r.life.Exited && has(pid) {
			r.sample.Begin(time)
			effort, known := efforts[pid]
			r.sample.Reached(sample.Begun, time, effort, known)
		}
	}
}

// Cut makes frees count as late from now (ns) on, and returns that time.
func (b *Book) Cut(now func() uint64, efforts map[uint32]sample.Effort) uint64 {
	cut := now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tail = cut
	b.reached(sample.Cut, cut, efforts)
	return cut
}

// EndWindow closes the window that was cut at a time (ns) and whose tail has ended now. It drops
// the window's evidence if that is not complete.
func (b *Book) EndWindow(cut uint64, complete bool, now uint64, efforts map[uint32]sample.Effort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.procs {
		r.sample.End(cut, complete)
	}
	b.reached(sample.Ended, now, efforts)
}

// reached passes on what processes have done by a moment of a window.
func (b *Book) reached(m sample.Moment, time uint64, efforts map[uint32]sample.Effort) {
	for pid, r := range b.procs {
		if r.sample != nil {
			effort, known := efforts[pid]
			r.sample.Reached(m, time, effort, known)
		}
	}
}

// Young returns how many blocks of the open window are still outstanding.
func (b *Book) Young() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.procs {
		n += r.sample.Young()
	}
	return n
}

// Candidates appends to list the blocks of a process to check: those of the last window, or of
// all. There are none before the first window, or once the process has ended.
func (b *Book) Candidates(pid uint32, list []sample.Candidate, all bool) []sample.Candidate {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.procs[pid]; r != nil && !r.life.Exited && r.sample != nil {
		return r.sample.Candidates(list, all)
	}
	return list
}

// YoungCandidates is Candidates for the last window, but appends nothing if more than most of
// its blocks are still outstanding.
func (b *Book) YoungCandidates(pid uint32, list []sample.Candidate, most int) []sample.Candidate {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.procs[pid]; r != nil && !r.life.Exited && r.sample.Young() <= most {
		return r.sample.Candidates(list, false)
	}
	return list
}

// Checked takes the result of a check of candidates at a time (ns). found says of each one
// whether anything could be told, and whether its chunk is free.
func (b *Book) Checked(pid uint32, list []sample.Candidate, time uint64, found func(i int) (known, free bool)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.procs[pid]
	if r == nil {
		return
	}
	s := r.sample
	for i := range list {
		if known, free := found(i); known {
			s.Checked(&list[i], free, time)
		}
	}
}
