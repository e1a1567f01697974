package tracer

import (
	"errors"
	"slices"
	"sync"
	"time"

	"memtrace/tracer/target"
)

// follower keeps up with what processes map after the start: it remembers
// new modules, so that their frames have names even after a dlclose, and
// attaches to allocators that come late. It works beside the reader, which
// must not wait for /proc.
type follower struct {
	t *Tracer
	// mu guards changed and execed: pids whose modules may be new, and those
	// whose address space is.
	mu      sync.Mutex
	changed map[uint32]bool
	execed  map[uint32]execKind
	wake    chan struct{}
	quit    chan struct{}
	done    sync.WaitGroup
	once    sync.Once
}

// execKind is by which of a process's threads exec was called. A new program
// inherits the probes if the leader called it; otherwise the kernel's filter
// still looks at the leader that is gone.
type execKind uint8

const (
	execByLeader execKind = iota
	execByThread
)

func newFollower(t *Tracer) *follower {
	return &follower{
		t:       t,
		changed: make(map[uint32]bool),
		execed:  make(map[uint32]execKind),
		wake:    make(chan struct{}, 1),
		quit:    make(chan struct{}),
	}
}

func (f *follower) run() {
	f.done.Go(func() {
		for {
			select {
			case <-f.quit:
				return
			case <-f.wake:
				f.catchUp()
			}
		}
	})
}

// stop has it come to an end, and wait waits for that. Both are safe to call again, and
// before run.
func (f *follower) stop() { f.once.Do(func() { close(f.quit) }) }

func (f *follower) wait() { f.done.Wait() }

// modulesChanged is told of an executable mapping.
func (f *follower) modulesChanged(pid uint32) {
	f.mu.Lock()
	f.changed[pid] = true
	f.mu.Unlock()
	f.poke()
}

// programChanged is told of an exec.
func (f *follower) programChanged(pid uint32, kind execKind) {
	f.mu.Lock()
	f.execed[pid] = max(f.execed[pid], kind)
	f.mu.Unlock()
	f.poke()
}

func (f *follower) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *follower) catchUp() {
	f.mu.Lock()
	changed, execed := f.changed, f.execed
	f.changed, f.execed = make(map[uint32]bool), make(map[uint32]execKind)
	f.mu.Unlock()

	for pid, kind := range execed {
		f.followExec(pid, kind)
		delete(changed, pid)
	}
	for pid := range changed {
		f.followModules(f.t.procs[pid])
	}
}

// followModules attaches to allocators that were mapped since the last look.
func (f *follower) followModules(p *process) {
	p.refreshSymbols()
	f.loadTables(p)
	if f.t.cfg.GrowthOnly {
		return
	}
	found, err := p.target.Discover()
	f.t.attaching.Lock()
	f.t.mu.Lock()
	p.target.Add(found)
	var view *mallocView
	if o := p.target.Allocator(); p.malloc != nil && o != nil && o.Family != target.Glibc {
		// Which blocks are glibc's is no longer known.
		view, p.malloc = p.malloc, nil
	}
	f.t.mu.Unlock()
	f.t.attaching.Unlock()
	_ = view.close() // it was only read
	f.t.cfg.logDenied(p.target)
	if err != nil && !processGone(p.target.PID) {
		f.t.cfg.Logf("process %d: look for new allocators: %v", p.target.PID, err)
	}
	f.attach(p, found)
}

func (f *follower) loadTables(p *process) {
	if err := f.t.loadTables(p); err != nil && !processGone(p.target.PID) {
		f.t.cfg.Logf("process %d: stacks through new modules may be cut short: %v", p.target.PID, err)
	}
}

func (f *follower) attach(p *process, objects []*target.Object) {
	f.t.attaching.Lock()
	defer f.t.attaching.Unlock()
	if f.t.windowed {
		return // the next window has them
	}
	for _, o := range objects {
		attached, lacks, err := f.t.attachReaching(p, o, allProbes)
		if err != nil {
			if !errors.Is(err, target.ErrNoProcess) {
				f.t.cfg.Logf("%v; its allocations are not traced", err)
			}
			continue
		}
		p.links = append(p.links, attached...)
		p.probed.Store(true)
		if len(lacks) > 0 {
			f.t.lack(p, describeLacks(lacks, otherFile))
			continue
		}
		f.t.cfg.Logf("process %d mapped %s: its allocations are traced from now on", p.target.PID, o.Path)
	}
}

// followExec finds the allocator of a process's new program. Where the old
// program's libc is mapped again its probes are in place already.
func (f *follower) followExec(pid uint32, kind execKind) {
	p := f.t.procs[pid]
	if err := p.symbols.Exec(); err != nil && !processGone(int(pid)) {
		f.t.cfg.Logf("process %d runs another program: %v", pid, err)
	}
	fresh, err := f.findAfterExec(p)
	if err != nil {
		if !errors.Is(err, errStopped) && !processGone(int(pid)) {
			f.t.cfg.Logf("process %d runs another program: %v", pid, err)
		}
		return
	}
	var view *mallocView
	if !f.t.cfg.GrowthOnly {
		view = openMalloc(fresh)
		entry := f.t.dropAnchor(fresh)
		// The old program's is taken away last, since that takes a while.
		defer func() {
			if err := p.anchor.hold(entry); err != nil {
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
	p.refreshSymbols()
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
	_ = f.t.attached.close(closing)
	f.attach(p, fresh.Objects)
	// Frees may have gone unseen: what was born before now is not evidence.
	f.t.mu.Lock()
	f.t.heap.Gap(pid, now().mono)
	f.t.mu.Unlock()
	f.t.cfg.Logf("process %d is traced again", pid)
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
		if !slices.Contains(objects, o) && len(p.lacking(o, allProbes)) > 0 {
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

// refreshSymbols remembers what is mapped now. A process that is gone keeps
// what was remembered.
func (p *process) refreshSymbols() { _ = p.symbols.Refresh() }
