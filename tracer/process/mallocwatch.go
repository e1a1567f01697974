package process

import (
	"fmt"
	"slices"
	"time"

	"memtrace/symbolize/patience"
	"memtrace/tracer/event"
	"memtrace/tracer/process/ptmalloc"
)

// mallocInterval is how often the parameters of malloc are read. Where not every call is traced,
// it is once in mallocPause: to wake up for that takes more processor time than to read them.
const (
	mallocInterval = 250 * time.Millisecond
	mallocPause    = time.Second
)

// watchMalloc reads what the processes' mallocs keep free now, and then their parameters at
// intervals. Each process has a goroutine of its own, because reading another process's memory
// may take any time. Nobody waits for these.
func (g *Group) watchMalloc() {
	for _, p := range g.procs.all() {
		go g.watchMallocOf(p)
	}
}

func (g *Group) watchMallocOf(p *Process) {
	p.mallocView().keepFirst()
	for {
		wait := mallocInterval
		if !p.probed.Load() {
			wait = mallocPause
		}
		select {
		case <-g.quitMalloc:
			return
		case <-p.released:
			return
		case <-time.After(wait):
		}
		if !g.book.Exited(uint32(p.pid)) {
			p.mallocView().poll(event.Now())
		}
	}
}

func (p *Process) mallocView() *mallocView {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.malloc
}

// Malloc returns the state of a process's malloc at a time (ns), nil if it is not glibc's. For
// a process that has ended it is the last known state.
func (g *Group) Malloc(pid uint32, time uint64) *ptmalloc.Status {
	v := g.procs.of(pid).mallocView()
	if v == nil {
		return nil
	}
	if !g.book.Exited(pid) && !patience.Wait(patience.Limit, func() {
		v.poll(time)
		v.findRange(int(pid))
	}) {
		g.cfg.GiveUp(fmt.Sprintf("the memory of process %d", pid))
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.state
	s.Changes = slices.Clone(s.Changes)
	return &s
}

// HasGlibcMalloc reports whether a process uses glibc's malloc and no other allocator.
func (p *Process) HasGlibcMalloc() bool {
	v := p.mallocView()
	return v != nil && v.alone.Load()
}

// Kept returns how much memory malloc keeps free. ok is false if that is not known.
func (p *Process) Kept() (kept ptmalloc.Kept, ok bool) {
	v := p.mallocView()
	if v == nil {
		return kept, false
	}
	type answer struct {
		kept ptmalloc.Kept
		ok   bool
	}
	begin := asideToo()
	a, _ := patience.Do(patience.Limit, "malloc", func() (a answer, err error) {
		defer begin()()
		a.kept, a.ok = v.kept()
		return a, nil
	}, nil)
	return a.kept, a.ok
}

// KeptFirst returns what Kept would have returned when the trace began. A large heap takes up
// to half a second to read, in which the process runs on. ok is false if it is not known, or if
// the process has executed another program since.
func (p *Process) KeptFirst() (kept ptmalloc.Kept, ok bool) {
	v := p.mallocView()
	if v == nil || v.first == nil {
		return kept, false
	}
	select {
	case <-v.first.done:
		return v.first.kept, v.first.ok
	case <-time.After(patience.Limit):
		return kept, false
	}
}
