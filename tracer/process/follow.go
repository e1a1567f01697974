package process

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/event"
	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"
)

// follower keeps up with what processes map after the start. It remembers new modules, so that
// their frames have names even after a dlclose, and attaches to allocators that are mapped
// late. It runs beside the reader, which must not wait for /proc.
type follower struct {
	g *Group
	// mu guards changed (pids whose modules may be new, and where), execed (pids whose address
	// space is new) and codes.
	mu      sync.Mutex
	changed map[uint32]*codeChange
	execed  map[uint32]execKind
	codes   map[uint32]*codeQueue
	// opening is held while files are opened.
	opening sync.Mutex
	wake    chan struct{}
	quit    chan struct{}
	done    sync.WaitGroup
	// ended means that it has run, and does not any more.
	ended atomic.Bool
	// recount means that files may have been mapped as code without an event.
	recount atomic.Bool
	// loaded is how many of the files that were mapped as code the kernel was told to be loaded.
	loaded uint32
	once   sync.Once
	// working is held while a process is looked at, so that none is released meanwhile.
	working sync.Mutex
	// ranges, listings, programs and files are what may still be spent on changed ranges, on
	// full listings, on new programs, and on opening files.
	ranges, listings, programs, files *allowance
}

// execKind says which thread of a process called exec. A new program inherits the probes if
// the leader called it. Otherwise the kernel's filter still looks at the leader that is gone.
type execKind uint8

const (
	execByLeader execKind = iota
	execByThread
)

func newFollower(g *Group) *follower {
	f := &follower{
		g:       g,
		changed: make(map[uint32]*codeChange),
		execed:  make(map[uint32]execKind),
		codes:   make(map[uint32]*codeQueue),
		wake:    make(chan struct{}, 1),
		quit:    make(chan struct{}),
	}
	f.ranges, f.listings, f.programs, f.files = followAllowances(g.cfg.MaxOverhead)
	return f
}

func (f *follower) run() {
	f.done.Go(func() {
		defer f.ended.Store(true)
		for {
			var later <-chan time.Time
			if wait := f.catchUp(); wait > 0 {
				later = time.After(wait)
			}
			select {
			case <-f.quit:
				for f.openCodes() {
					continue
				}
				return
			case <-f.wake:
			case <-later:
			}
		}
	})
}

// stop tells the follower to end, wait waits for that. Both may be called again, and before
// run.
func (f *follower) stop() { f.once.Do(func() { close(f.quit) }) }

func (f *follower) wait() { f.done.Wait() }

// modulesChanged says that executable mappings may have changed anywhere.
func (f *follower) modulesChanged(pid uint32) {
	f.change(pid, func(c *codeChange) { c.all = true })
}

// mappingsChanged says that executable mappings may have changed in a range.
func (f *follower) mappingsChanged(pid uint32, r addresses) {
	f.change(pid, func(c *codeChange) { c.add(r) })
}

func (f *follower) change(pid uint32, note func(*codeChange)) {
	f.mu.Lock()
	if f.changed[pid] == nil {
		f.changed[pid] = new(codeChange)
	}
	note(f.changed[pid])
	f.mu.Unlock()
	f.poke()
}

// programChanged says that a process called exec.
func (f *follower) programChanged(pid uint32, kind execKind) {
	f.mu.Lock()
	f.execed[pid] = max(f.execed[pid], kind)
	delete(f.codes, pid) // they were the old program's
	f.mu.Unlock()
	f.poke()
}

func (f *follower) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// catchUp looks at what has changed, as far as the allowances permit. It returns how long to
// wait before looking at the rest, 0 if nothing is left.
func (f *follower) catchUp() time.Duration {
	f.working.Lock()
	defer f.working.Unlock()
	var later []time.Duration
	seen := f.codeSeen()
	try := func(a *allowance, work func()) {
		if wait := a.wait(time.Now()); wait > 0 {
			later = append(later, wait)
			return
		}
		a.spend(work)
	}
	try(f.programs, func() {
		for pid, kind := range f.takeExeced() {
			f.followExec(pid, kind)
		}
	})
	unopened := true
	for before := len(later); unopened && len(later) == before; {
		try(f.files, func() { unopened = f.openCodes() })
	}
	try(f.listings, func() { f.followAll(f.takeListings()) })
	try(f.ranges, func() { f.followAll(f.takeRanges()) })
	f.mu.Lock()
	left := len(f.changed) + len(f.execed)
	f.mu.Unlock()
	if f.g.tables != nil {
		if left == 0 {
			f.caughtUp(seen)
		}
		f.g.unwindLate(left == 0)
	}
	if len(later) == 0 || left == 0 && !unopened {
		return 0
	}
	return slices.Min(later)
}

// codeSeen returns the number of the last file mapped as code that is known when nothing is left to
// look at. After a loss of events these are all.
func (f *follower) codeSeen() uint32 {
	l := &f.g.late
	if f.g.tables != nil && f.recount.Swap(false) {
		if n, err := f.g.probes.CodeMapped(); err == nil {
			l.codeSeen.Store(max(n, l.codeSeen.Load()))
		}
	}
	return l.codeSeen.Load()
}

// caughtUp is called when nothing is left to look at. seen is what codeSeen said before the look.
func (f *follower) caughtUp(seen uint32) {
	if seen == f.loaded {
		return
	}
	f.loaded = seen
	if err := f.g.probes.CodeLoaded(seen); err != nil {
		f.g.cfg.Logf("%v", err)
	}
}

// takeExeced returns the processes that run new programs. It drops their changed mappings,
// which are looked at along with the program.
func (f *follower) takeExeced() map[uint32]execKind {
	f.mu.Lock()
	defer f.mu.Unlock()
	execed := f.execed
	f.execed = make(map[uint32]execKind)
	for pid := range execed {
		delete(f.changed, pid)
	}
	return execed
}

// takeListings returns the processes whose mappings are all to be listed.
func (f *follower) takeListings() map[uint32]*codeChange {
	return f.take(func(p *Process, change *codeChange) (taken, left *codeChange) {
		if change.all || p.code.query == nil {
			return &codeChange{all: true}, nil
		}
		return nil, change
	})
}

// takeRanges returns the ranges to look at, also of a process whose listing has to wait.
func (f *follower) takeRanges() map[uint32]*codeChange {
	return f.take(func(p *Process, change *codeChange) (taken, left *codeChange) {
		switch {
		case p.code.query == nil:
			return nil, change
		case change.all:
			return &codeChange{ranges: change.ranges}, &codeChange{all: true}
		}
		return change, nil
	})
}

// take splits what may have changed in each process into what is taken and what is left.
// Processes that run new programs are skipped.
func (f *follower) take(split func(*Process, *codeChange) (taken, left *codeChange)) map[uint32]*codeChange {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[uint32]*codeChange)
	for pid, change := range f.changed {
		if _, execed := f.execed[pid]; execed {
			continue
		}
		p := f.g.procs.of(pid)
		if p == nil {
			delete(f.changed, pid)
			continue
		}
		taken, left := split(p, change)
		if taken != nil {
			all[pid] = taken
		}
		if left == nil {
			delete(f.changed, pid)
		} else {
			f.changed[pid] = left
		}
	}
	return all
}

func (f *follower) followAll(changed map[uint32]*codeChange) {
	for pid, change := range changed {
		if p := f.g.procs.of(pid); p != nil {
			f.followModules(p, change)
		}
	}
}

// followModules attaches to allocators that were mapped since the last look.
func (f *follower) followModules(p *Process, change *codeChange) {
	from := event.Now()
	changed, err := p.code.update(change)
	l := look{change, from, event.Now()}
	f.logCode(uint32(p.target.PID), err)
	if !changed {
		if f.g.tables != nil && err == nil {
			f.g.noteTables(p, l)
		}
		return
	}
	p.symbols.RefreshFrom(p.code.list)
	f.loadTables(p, l)
	if f.g.cfg.GrowthOnly {
		return
	}
	found, err := p.target.DiscoverIn(p.code.list)
	f.g.attaching.Lock()
	p.mu.Lock()
	p.target.Add(found)
	p.malloc.setAlone(p.target)
	p.mu.Unlock()
	f.g.attaching.Unlock()
	f.g.cfg.logDenied(p.target)
	if err != nil && !target.Gone(p.target.PID) {
		f.g.cfg.Logf("process %d: look for new allocators: %v", p.target.PID, err)
	}
	f.attach(p, found)
}

// logCode logs why a process's mappings are not known. ESRCH is not logged: the process has
// ended, or runs another program by now.
func (f *follower) logCode(pid uint32, err error) {
	if err != nil && !errors.Is(err, unix.ESRCH) && !target.Gone(int(pid)) {
		f.g.cfg.Logf("process %d: look for new modules: %v", pid, err)
	}
}

func (f *follower) loadTables(p *Process, l look) {
	if err := f.g.loadTables(p, l); err != nil && !target.Gone(p.target.PID) {
		f.g.cfg.Logf("process %d: stacks through new modules may be cut short: %v", p.target.PID, err)
	}
}

func (f *follower) attach(p *Process, objects []*target.Object) {
	f.g.attaching.Lock()
	defer f.g.attaching.Unlock()
	if f.g.windowed {
		return // the next window has them
	}
	for _, o := range objects {
		attached, lacks, err := f.g.attachReaching(p, o, probe.Whole)
		if err != nil {
			if !errors.Is(err, target.ErrNoProcess) {
				f.g.cfg.Logf("%v; its allocations are not traced", err)
			}
			continue
		}
		p.links = append(p.links, attached...)
		p.probed.Store(true)
		if len(lacks) > 0 {
			f.g.lack(p, describeLacks(lacks, otherFile))
			continue
		}
		f.g.cfg.Logf("process %d mapped %s: its allocations are traced from now on", p.target.PID, o.Path)
	}
}
