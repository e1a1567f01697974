package process

import (
	"errors"
	"fmt"
	"time"

	"memtrace/tracer/event"
)

// Processes join and leave the Group while the trace goes on. Whoever adopts a process holds it
// meanwhile, if its first calls are to be seen: nothing of it is probed before. A process that
// has ended is released, which gives back all that it took of descriptors, probes and maps.

// Adopt adds a process while the trace goes on. When it returns, every call of the process is
// seen, unless only windows are watched: then the next one has it. It does nothing if the
// process is in the Group already. The book must know the process. held says that whoever holds
// it will tell of each new program, see Executed: the events that tell of it later are then of no
// use.
func (g *Group) Adopt(pid int, held bool) error {
	for {
		mine := make(chan struct{})
		other, busy := g.adopting.LoadOrStore(pid, mine)
		if !busy {
			defer close(mine)
			defer g.adopting.Delete(pid)
			break
		}
		<-other.(chan struct{})
	}
	return g.adopt(pid, held)
}

func (g *Group) adopt(pid int, held bool) error {
	if g.procs.of(uint32(pid)) != nil {
		return nil
	}
	p, err := open(pid, &g.cfg, true)
	if err != nil {
		return err
	}
	p.unwatched = true
	p.held.Store(held)
	if p.malloc != nil {
		p.malloc.first = nil // to read a large heap takes longer than many a child lives
	}
	g.inheritCode(p)
	if err := g.beginLate(p); err != nil {
		return errors.Join(err, g.Free(p))
	}
	g.join(p) // from now on the follower looks at it, too
	p.findHeap()
	if !g.cfg.GrowthOnly {
		go g.watchMallocOf(p) // it may execute a program that uses glibc's
	}
	if g.probes.PageFaults {
		p.openFolios()
	}
	return nil
}

// inheritCode makes known to a child what its parent has mapped as code since the trace began.
func (g *Group) inheritCode(child *Process) {
	pid := uint32(child.symbols.Parent())
	if parent := g.procs.of(pid); parent != nil {
		g.OpenCode(pid)
		child.symbols.Inherit(parent.symbols)
	}
}

// beginLate does for one process what Attach does for those that are there at the start.
func (g *Group) beginLate(p *Process) error {
	if err := g.begin(p); err != nil || g.cfg.GrowthOnly {
		return err
	}
	g.attaching.Lock()
	defer g.attaching.Unlock()
	if g.windowed {
		return nil
	}
	return g.attach(p)
}

// Executed is told of a process that runs a new program, while it is held. It returns when the
// process's probes are in place.
func (g *Group) Executed(pid uint32, byThread bool) {
	kind := execByLeader
	if byThread {
		kind = execByThread
	}
	g.follower.working.Lock()
	defer g.follower.working.Unlock()
	// The new program's libraries are mapped: what was told of its code stays.
	g.follower.forgetChanges(pid)
	g.follower.followExec(pid, kind)
}

// Overdue notes that a process, which was held, ran on before its probes were in place.
func (g *Group) Overdue(pid uint32) {
	g.attaching.Lock()
	defer g.attaching.Unlock()
	p := g.procs.of(pid)
	if p == nil || g.cfg.GrowthOnly || g.windowed { // the next window has it
		return
	}
	p.note("the process ran on before its probes were in place")
	g.book.Unprobed(pid, event.Now())
}

// Hold says that somebody holds all processes that are there, as Adopt has it.
func (g *Group) Hold() {
	for _, p := range g.procs.all() {
		p.held.Store(true)
	}
}

// Leave takes a process out of the Group, and reports whether it was in it. Free has to follow.
func (g *Group) Leave(p *Process) bool {
	if !g.procs.remove(p) {
		return false
	}
	g.leftCPU.Add(p.cpu.Load())
	close(p.released)
	return true
}

// Release takes a process out of the Group and frees what it has.
func (g *Group) Release(p *Process) error {
	if !g.Leave(p) {
		return nil
	}
	return g.Free(p)
}

// Free frees what a process has that has left the Group.
func (g *Group) Free(p *Process) error {
	defer g.procs.freed(p)
	g.attaching.Lock()
	p.probed.Store(false)
	links := p.links
	p.links = nil
	g.attaching.Unlock()
	err := g.attached.Close(links)
	if p.anchor != nil {
		err = errors.Join(err, g.attached.CloseAnchor(p.anchor))
	}
	g.follower.working.Lock()
	defer g.follower.working.Unlock()
	g.follower.forget(uint32(p.pid))
	g.late.forget(uint32(p.pid))
	err = errors.Join(err, g.probes.Untrace(uint32(p.pid)))
	if g.tables != nil {
		g.tables.Forget(uint32(p.pid))
	}
	g.attaching.Lock()
	defer g.attaching.Unlock()
	if err = errors.Join(err, p.close()); err != nil {
		return fmt.Errorf("release process %d: %w", p.pid, err)
	}
	return nil
}

// Runs reports whether a process is one of the Group's and has not ended.
func (g *Group) Runs(pid uint32) bool {
	p := g.procs.of(pid)
	return p != nil && !p.Gone()
}

// Vacate waits until nothing is left of a process that had a pid before. bury is told of it, and
// has to see to that.
func (g *Group) Vacate(pid uint32, bury func(pid uint32)) error {
	p := g.procs.of(pid)
	if p == nil || !p.Gone() {
		p = g.procs.left(pid)
	}
	if p == nil {
		return nil
	}
	bury(pid)
	select {
	case <-p.freed:
		return nil
	case <-time.After(LookPatience):
		return fmt.Errorf("process %d: the process that had its pid before is still looked at", pid)
	}
}

// Settle looks at a process that has ended for the last time.
func (p *Process) Settle(now time.Time) {
	p.kin.Settle(now)
	p.memory.settle(now)
}

// forget drops what is still to be looked at in a process, forgetChanges all but its code.
func (f *follower) forget(pid uint32) {
	f.forgetChanges(pid)
	f.forgetCodes(pid)
}

func (f *follower) forgetChanges(pid uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.changed, pid)
	delete(f.execed, pid)
}
