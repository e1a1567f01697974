package process

import (
	"errors"
	"slices"
	"time"

	"memtrace/tracer/event"
	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"
)

// followExec finds the allocator of a process's new program. If the new program maps the old
// one's libc, its probes are in place already.
func (f *follower) followExec(pid uint32, kind execKind) {
	p := f.g.procs.of(pid)
	if p == nil {
		return
	}
	if err := f.newSymbols(p); err != nil && !target.Gone(int(pid)) {
		f.g.cfg.Logf("process %d runs another program: %v", pid, err)
	}
	f.logCode(pid, p.renewCode())
	fresh, err := f.findAfterExec(p)
	if err != nil {
		if !errors.Is(err, errStopped) && !target.Gone(int(pid)) {
			f.g.cfg.Logf("process %d runs another program: %v", pid, err)
		}
		return
	}
	from := event.Now()
	f.logCode(pid, p.code.readAll())
	l := look{&codeChange{all: true}, from, event.Now()}
	var view *mallocView
	if !f.g.cfg.GrowthOnly {
		view = openMalloc(fresh)
		defer f.g.renewAnchor(p, f.g.dropAnchor(fresh))
	}
	old, oldView, probed := f.exchange(p, fresh, view)
	p.keptPace.forget()
	p.spacePace.forget()
	defer old.Close()
	defer func() { _ = oldView.close() }()
	p.symbols.RefreshFrom(p.code.list)
	f.loadTables(p, l)
	if !p.late { // of children there may be thousands
		f.g.cfg.Logf("process %d runs another program, %s: what the old one held is gone", pid, fresh.Exe)
	}

	if f.g.cfg.GrowthOnly {
		return
	}
	if kind == execByLeader {
		f.attach(p, f.unprobed(p, newObjects(old, fresh)))
		f.g.attaching.Lock()
		p.probed.Store(probed && !f.g.windowed)
		f.g.attaching.Unlock()
		return
	}
	f.g.attaching.Lock()
	closing := p.links
	p.links = nil
	p.probed.Store(false)
	f.g.attaching.Unlock()
	_ = f.g.attached.Close(closing)
	f.attach(p, fresh.Objects)
	// Frees may have gone unseen, so blocks born before now are no evidence.
	f.g.book.Unprobed(pid, event.Now())
	f.g.cfg.Logf("process %d is traced again", pid)
}

// exchange gives a process another program, of which nothing is probed yet: nobody has taken its
// probes away. probed says whether the old one's were in place.
func (f *follower) exchange(p *Process, fresh *target.Target, view *mallocView) (old *target.Target, oldView *mallocView, probed bool) {
	f.g.attaching.Lock()
	defer f.g.attaching.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	old, oldView = p.target, p.malloc
	p.target, p.malloc = fresh, view
	return old, oldView, p.probed.Swap(false)
}

// Unfollowed reports whether a process runs a program that was not looked at yet.
func (g *Group) Unfollowed(pid uint32) bool {
	g.follower.mu.Lock()
	defer g.follower.mu.Unlock()
	_, execed := g.follower.execed[pid]
	return execed
}

var errStopped = errors.New("the trace is over")

// findAfterExec waits for the dynamic loader to map the new program's libc.
func (f *follower) findAfterExec(p *Process) (*target.Target, error) {
	const patience = 2 * time.Second
	deadline := time.Now().Add(patience)
	for {
		// For a new program without an allocator this waits until the deadline.
		fresh, err := target.FindNamed(p.target.PID, f.g.cfg.Named.AfterExec())
		if f.g.cfg.GrowthOnly && (errors.Is(err, target.ErrPatched) || errors.Is(err, target.ErrNoAllocator) && time.Now().After(deadline)) {
			return target.Look(p.target.PID)
		}
		if p.held.Load() { // everything is mapped
			return lookAnyway(p.target.PID, &f.g.cfg, fresh, err)
		}
		if err == nil || !errors.Is(err, target.ErrNoAllocator) || time.Now().After(deadline) {
			return fresh, err
		}
		select {
		case <-f.quit:
			return nil, errStopped
		case <-time.After(time.Millisecond):
		}
	}
}

// lookAnyway returns what was found, or a target without objects where no allocator was.
func lookAnyway(pid int, cfg *Config, found *target.Target, err error) (*target.Target, error) {
	if errors.Is(err, target.ErrNoAllocator) {
		return target.LookNamed(pid, cfg.Named.AfterExec())
	}
	return found, err
}

// unprobed adds to objects, which only the new program has, those that the old program's
// probes do not reach: on overlayfs the file may be another one by now.
func (f *follower) unprobed(p *Process, objects []*target.Object) []*target.Object {
	f.g.attaching.Lock()
	defer f.g.attaching.Unlock()
	if f.g.windowed {
		return nil // the next window has them
	}
	for _, o := range p.target.Objects {
		if !slices.Contains(objects, o) && len(p.lacking(o, probe.Whole)) > 0 {
			objects = append(objects, o)
		}
	}
	return objects
}

// newObjects returns the objects of fresh that old did not have.
func newObjects(old, fresh *target.Target) []*target.Object {
	had := make(map[target.FileID]bool)
	for _, o := range old.Objects {
		had[o.ID] = true
	}
	var objects []*target.Object
	for _, o := range fresh.Objects {
		if !had[o.ID] {
			objects = append(objects, o)
		}
	}
	return objects
}
