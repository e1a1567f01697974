package tracer

import (
	"errors"
	"slices"
	"time"

	"memtrace/tracer/probe"
	"memtrace/tracer/target"
)

// followExec finds the allocator of a process's new program. Where the old
// program's libc is mapped again its probes are in place already.
func (f *follower) followExec(pid uint32, kind execKind) {
	p := f.t.procs[pid]
	if err := p.symbols.Exec(); err != nil && !target.Gone(int(pid)) {
		f.t.cfg.Logf("process %d runs another program: %v", pid, err)
	}
	f.logCode(pid, p.renewCode())
	fresh, err := f.findAfterExec(p)
	if err != nil {
		if !errors.Is(err, errStopped) && !target.Gone(int(pid)) {
			f.t.cfg.Logf("process %d runs another program: %v", pid, err)
		}
		return
	}
	f.logCode(pid, p.code.readAll())
	var view *mallocView
	if !f.t.cfg.GrowthOnly {
		view = openMalloc(fresh)
		entry := f.t.dropAnchor(fresh)
		// The old program's is taken away last, since that takes a while.
		defer func() {
			if err := p.anchor.Hold(entry); err != nil {
				f.t.cfg.Logf("process %d: %v", pid, err)
			}
		}()
	}
	f.t.attaching.Lock()
	f.t.mu.Lock()
	old, oldView := p.target, p.malloc
	p.target, p.malloc = fresh, view
	f.t.mu.Unlock()
	f.t.attaching.Unlock()
	defer old.Close()
	defer func() { _ = oldView.close() }()
	p.symbols.RefreshFrom(p.code.list)
	f.loadTables(p)
	f.t.cfg.Logf("process %d runs another program, %s: what the old one held is gone", pid, fresh.Exe)

	if f.t.cfg.GrowthOnly {
		return
	}
	if kind == execByLeader {
		f.attach(p, f.unprobed(p, newObjects(old, fresh)))
		return
	}
	f.t.attaching.Lock()
	closing := p.links
	p.links = nil
	p.probed.Store(false)
	f.t.attaching.Unlock()
	_ = f.t.attached.Close(closing)
	f.attach(p, fresh.Objects)
	// Frees may have gone unseen: what was born before now is not evidence.
	f.t.mu.Lock()
	f.t.heap.Gap(pid, now().mono)
	f.t.mu.Unlock()
	f.t.cfg.Logf("process %d is traced again", pid)
}

// unfollowed reports whether a process runs a program that nobody has looked at.
func (f *follower) unfollowed(p *process) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, execed := f.execed[uint32(p.target.PID)]
	return execed
}

var errStopped = errors.New("the trace is over")

// findAfterExec waits for the dynamic loader to map the new program's libc.
func (f *follower) findAfterExec(p *process) (*target.Target, error) {
	const patience = 2 * time.Second
	deadline := time.Now().Add(patience)
	for {
		// A new program without an allocator has to be waited for in vain.
		fresh, err := target.Find(p.target.PID)
		if f.t.cfg.GrowthOnly && (errors.Is(err, target.ErrPatched) || errors.Is(err, target.ErrNoAllocator) && time.Now().After(deadline)) {
			return target.Look(p.target.PID)
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

// unprobed adds to the objects of a new program that its old one had not those that the
// old one's probes do not reach: on overlayfs the file may be another one by now.
func (f *follower) unprobed(p *process, objects []*target.Object) []*target.Object {
	f.t.attaching.Lock()
	defer f.t.attaching.Unlock()
	if f.t.windowed {
		return nil // the next window has them
	}
	for _, o := range p.target.Objects {
		if !slices.Contains(objects, o) && len(p.lacking(o, probe.Whole)) > 0 {
			objects = append(objects, o)
		}
	}
	return objects
}

// newObjects returns those objects of fresh that old had not.
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
