package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"memtrace/symbolize/patience"
	"memtrace/tracer/event"
	"memtrace/tracer/region"
	"memtrace/tracer/region/proc"
)

// memoryInterval is how often address spaces are looked at.
const memoryInterval = time.Second

// addressSpace is what a memoryWatch looks at.
type addressSpace interface {
	region.Source
	Close() error
}

func openAddressSpace(pid int) (addressSpace, error) { return proc.Open(pid) }

// memoryWatch follows the address space of one process. A look takes long, so it has its own
// lock. known is called with that lock held.
type memoryWatch struct {
	pid  int
	open func(pid int) (addressSpace, error)
	// known says who mapped what. It is nil if nobody knows.
	known func() []region.Range

	// hangs means that a look did not answer in time. No further look is tried.
	hangs atomic.Bool
	// resident is by how many bytes resident memory had grown at the last look.
	resident atomic.Int64
	// reserved is how much of what the process has mapped was addresses without memory.
	reserved atomic.Uint64

	mu      sync.Mutex
	space   addressSpace
	sampler *region.Sampler
	// err is why the last look failed, nil if it did not. final means that no further look can
	// succeed or is wanted.
	err   error
	final bool
}

// poll looks at the process, and opens it first if that was not done yet.
func (w *memoryWatch) poll(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look(func(s *region.Sampler) error { return s.Poll(now) })
}

// look calls f with the sampler, and notes how that went.
func (w *memoryWatch) look(f func(*region.Sampler) error) {
	if w.final {
		return
	}
	if w.sampler == nil {
		space, err := w.open(w.pid)
		if err != nil {
			w.failed(err)
			return
		}
		w.space, w.sampler = space, region.NewSampler(space, region.Config{Known: w.known})
	}
	w.failed(f(w.sampler))
	w.resident.Store(w.sampler.ResidentGrowth())
	w.reserved.Store(w.sampler.Reserved(leastReserved))
}

// failed notes the outcome of a look, which may be nil. A process that is gone does not come
// back, and missing rights do not either; any other error may be over at the next look.
func (w *memoryWatch) failed(err error) {
	w.err = err
	for _, end := range []error{
		region.ErrGone, region.ErrNotPermitted, proc.ErrNoProcess, proc.ErrExiting, proc.ErrKernelThread, proc.ErrThread,
	} {
		w.final = w.final || errors.Is(err, end)
	}
}

// LookPatience is how long to wait for a look. A look at a large process takes seconds.
const LookPatience = 10 * time.Second

// Space looks at the address space once more, see memoryWatch.snapshot.
func (p *Process) Space(now time.Time) (*region.Snapshot, error) { return p.memory.snapshot(now) }

// ClassAt returns the class of an address at the last look, region.Other if nothing was there.
func (p *Process) ClassAt(addr uint64) region.Class { return p.memory.classAt(addr) }

// snapshot looks once more and returns what is known by then. The error says why that look
// failed. The snapshot is then that of the last look that succeeded, nil if none did or if the
// look hangs.
func (w *memoryWatch) snapshot(now time.Time) (*region.Snapshot, error) {
	return w.ask(func() (s *region.Snapshot) {
		w.look(func(sampler *region.Sampler) (err error) {
			s, err = sampler.Snapshot(now)
			return err
		})
		return s
	})
}

// lastSeen is snapshot without a look.
func (w *memoryWatch) lastSeen() (*region.Snapshot, error) {
	return w.ask(func() *region.Snapshot { return nil })
}

// ask returns what look, called with the lock, returns, or what was seen last if that is nothing. It
// asks no more once there was no answer in time.
func (w *memoryWatch) ask(look func() *region.Snapshot) (*region.Snapshot, error) {
	limit, what := LookPatience, fmt.Sprintf("the address space of process %d", w.pid)
	if w.hangs.Load() {
		return nil, &patience.NoAnswerError{What: what, After: limit}
	}
	begin := asideToo()
	s, err := patience.Do(limit, what, func() (*region.Snapshot, error) {
		defer begin()()
		w.mu.Lock() // a look that goes on may take long
		defer w.mu.Unlock()
		s := look()
		if s == nil && w.sampler != nil {
			s = w.sampler.Last()
		}
		if s == nil || s.Polls == 0 {
			return nil, cmp.Or(w.err, region.ErrGone) // a look at what has ended has no error
		}
		return s, w.err
	}, nil)
	if errors.As(err, new(*patience.NoAnswerError)) {
		w.hangs.Store(true)
	}
	return s, err
}

// settle looks for the last time. What the process does after the end of the trace must not be
// compared with what was traced.
func (w *memoryWatch) settle(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look(func(s *region.Sampler) error {
		_, err := s.Snapshot(now)
		return err
	})
	w.final = true
}

// classAt returns the class of an address at the last look, Other if nothing was there.
func (w *memoryWatch) classAt(addr uint64) region.Class {
	if w.hangs.Load() {
		return region.Other
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sampler == nil {
		return region.Other
	}
	class, _ := w.sampler.ClassAt(addr)
	return class
}

func (w *memoryWatch) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sampler, w.final = nil, true
	if w.space == nil {
		return nil
	}
	s := w.space
	w.space = nil
	return s.Close()
}

// ResidentGrowth returns by how many bytes the resident memory of all processes had grown when
// it was last looked at.
func (g *Group) ResidentGrowth() (bytes int64) {
	for _, p := range g.procs.all() {
		bytes += p.memory.resident.Load()
	}
	return bytes
}

// leastReserved is how many bytes a stack must have reserved for that to be left out of what is
// outstanding while the trace goes on.
const leastReserved = 4 << 20

// Reserved returns how much of what all processes have mapped was addresses without memory when it
// was last looked at.
func (g *Group) Reserved() (bytes uint64) {
	for _, p := range g.procs.all() {
		bytes += p.memory.reserved.Load()
	}
	return bytes
}

// firstLookPatience is how long the start of a trace waits for the first looks.
const firstLookPatience = 500 * time.Millisecond

// LookFirst begins to look at the address spaces of all processes and at what their mallocs keep free,
// until Stop. It waits for the first looks, but not for long: what these have grown by is to be of the
// same time as what is traced.
func (g *Group) LookFirst() {
	first := make(chan struct{})
	g.memory = g.watchMemory(first)
	g.watchMalloc()
	late, cancel := context.WithTimeout(context.Background(), firstLookPatience)
	defer cancel()
	wait := func(done <-chan struct{}) {
		select {
		case <-done:
		case <-late.Done():
		}
	}
	wait(first)
	for _, p := range g.procs.all() {
		if v := p.mallocView(); v != nil && v.first != nil {
			wait(v.first.done)
		}
	}
}

// watchMemory polls the address spaces of all processes, and closes first when it has done so once.
func (g *Group) watchMemory(first chan<- struct{}) watch {
	quit := make(chan struct{})
	looked := sync.OnceFunc(func() { close(first) })
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(memoryInterval)
		defer tick.Stop()
		for {
			for _, p := range g.procs.all() {
				p.memory.poll(time.Now())
			}
			looked()
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	})
	return watch{sync.OnceFunc(func() { close(quit) }), done.Wait}
}

// mapped returns the outstanding mappings that a process made itself, with the stacks that
// made them. Neighbours of one stack are joined. While only windows of time are watched,
// malloc's own mappings are among them.
func (g *Group) mapped(pid uint32) (ranges []region.Range) {
	g.book.Mapped(pid, func(start, end uint64, stack event.StackID) {
		if n := len(ranges); n > 0 && ranges[n-1].End == start && ranges[n-1].Origin == uint64(stack) {
			ranges[n-1].End = end
			return
		}
		ranges = append(ranges, region.Range{Start: start, End: end, Keep: true, Origin: uint64(stack)})
	})
	return ranges
}
