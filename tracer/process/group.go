package process

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"memtrace/symbolize"
	"memtrace/tracer/book/heap"
	"memtrace/tracer/event"
	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"
	"memtrace/tracer/region"
)

// Config says how processes are traced.
type Config struct {
	// GrowthOnly means that no probe is put into the processes.
	GrowthOnly bool
	// Named are allocation functions that the user names, nil for none.
	Named *target.Named
	// DebugDirs are searched for separate debug files. NamesLater leaves names of code out.
	DebugDirs  []string
	NamesLater bool
	// MaxOverhead is the part of a processor that the trace may cost, 0 for no limit.
	MaxOverhead float64
	// ReturnProbesKill is explained at probe.Features.
	ReturnProbesKill bool
	Names            *symbolize.Names // shared by all processes, if not nil
	// Logf receives remarks, and if Verbose is set also those that few readers want. GiveUp
	// receives the name of what did not answer in time.
	Logf    func(format string, args ...any)
	Verbose bool
	GiveUp  func(what string)
}

// remark logs what few readers want.
func (c *Config) remark(format string, args ...any) {
	if c.Verbose {
		c.Logf(format, args...)
	}
}

// logDenied logs which files of a process may not be read, each once.
func (c *Config) logDenied(t *target.Target) {
	for _, path := range t.Denied() {
		c.Logf("process %d: to read %s is not permitted; should an allocator be in it, its allocations are not traced", t.PID, path)
	}
}

// Book is what a Group asks and tells about the processes' memory.
type Book interface {
	// Exited reports whether the process has ended.
	Exited(pid uint32) bool
	// Unprobed says that frees of the process may have gone unseen up to a time (ns).
	Unprobed(pid uint32, until uint64)
	// Unwound gives a stack that was sent before all of its frames.
	Unwound(id event.StackID, frames []uint64, truncated bool)
	// Mapped calls f with the mappings that the process made, in order of address.
	Mapped(pid uint32, f func(start, end uint64, stack event.StackID))
	// FreshThreads returns the threads that have begun to allocate since the last call.
	FreshThreads() []heap.Thread
}

// Group is the processes of a trace.
type Group struct {
	cfg      Config
	book     Book
	attached *probe.Attached
	// probes attaches probes. tables is nil where stacks are walked by frame pointers. Both
	// are set by Attach.
	probes   *probe.Set
	tables   *probe.Tables
	procs    members
	follower *follower
	late     lateStacks

	// attaching guards the links of processes while the trace goes on.
	attaching sync.Mutex
	// leftCPU is the processor time of processes that have left, ns.
	leftCPU atomic.Int64
	// waited is what Waited returned last. It belongs to the window loop.
	waited time.Duration
	// adopting has the pids of processes that are being adopted, each with a channel that is
	// closed in the end.
	adopting sync.Map
	// windowed means that only windows are watched: no probes are attached outside of them.
	windowed bool

	// mu guards kept: probes that stay until a debugger has left, see debugger.go.
	mu   sync.Mutex
	kept probe.Links

	memory, kin, guard watch
	// quitMalloc is closed when malloc's parameters are no longer to be read.
	quitMalloc chan struct{}
	stopMalloc sync.Once
}

// watch is work that goes on in the background until stop is called. wait waits for its end.
// Both are nil before it has begun.
type watch struct{ stop, wait func() }

// NewGroup returns a Group without processes. It notes its probes in attached.
func NewGroup(cfg Config, book Book, attached *probe.Attached) *Group {
	if cfg.Names == nil {
		cfg.Names = new(symbolize.Names)
	}
	g := &Group{cfg: cfg, book: book, attached: attached, quitMalloc: make(chan struct{})}
	g.follower = newFollower(g)
	return g
}

// Open adds a process to the Group. It does nothing if the process is in it already.
func (g *Group) Open(pid int) error {
	if g.procs.of(uint32(pid)) != nil {
		return nil
	}
	p, err := open(pid, &g.cfg, false)
	if err != nil {
		return err
	}
	g.join(p)
	g.greetDebugger(p)
	return nil
}

// join makes a process one of the Group's.
func (g *Group) join(p *Process) {
	pid := uint32(p.pid)
	p.memory.known = func() []region.Range { return g.mapped(pid) }
	if p.anchor != nil {
		g.attached.Anchor(p.anchor)
	}
	g.procs.add(p)
}

// OpenAll adds processes. Those that cannot be traced are logged and left out, unless that is
// all of them.
func (g *Group) OpenAll(ctx context.Context, pids []int) error {
	var refused []error
	for _, pid := range pids {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := g.Open(pid); err != nil {
			refused = append(refused, err)
		}
	}
	return g.leaveOut(refused)
}

// leaveOut logs why processes are not traced, or returns that if no other is left.
func (g *Group) leaveOut(refused []error) error {
	if len(refused) > 0 && len(g.procs.all()) == 0 {
		return refused[0]
	}
	for _, err := range refused {
		g.cfg.Logf("%v; the others are traced", err)
	}
	return nil
}

// PIDs returns the pids of all processes, in order.
func (g *Group) PIDs() []uint32 {
	var pids []uint32
	for _, p := range g.procs.all() {
		pids = append(pids, uint32(p.pid))
	}
	return pids
}

// Of returns a process of the Group, nil if it has none with this pid.
func (g *Group) Of(pid uint32) *Process { return g.procs.of(pid) }

// Attach prepares everything for tracing the processes, but does not open the gate. Those that
// it fails for are left out, as by OpenAll.
func (g *Group) Attach(ctx context.Context, probes *probe.Set, tables *probe.Tables) error {
	g.probes, g.tables = probes, tables
	var refused []error
	for _, p := range g.procs.all() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := g.prepare(p); err != nil {
			refused = append(refused, err)
			if err := g.Release(p); err != nil {
				return err
			}
		}
	}
	return g.leaveOut(refused)
}

// prepare prepares everything for tracing one process.
func (g *Group) prepare(p *Process) error {
	if err := g.begin(p); err != nil || g.cfg.GrowthOnly {
		return err
	}
	return g.attach(p)
}

// begin makes the programs in the kernel see a process, and anchors the probes to come.
func (g *Group) begin(p *Process) error {
	if err := g.probes.Trace(uint32(p.pid)); err != nil {
		return err
	}
	from := event.Now()
	if err := p.code.readAll(); err != nil {
		return err
	}
	if err := g.loadTables(p, look{&codeChange{all: true}, from, event.Now()}); err != nil || g.cfg.GrowthOnly {
		return err
	}
	return p.anchor.Hold(g.dropAnchor(p.target))
}

// loadTables loads the unwind tables of what a process maps, according to a look.
func (g *Group) loadTables(p *Process, l look) error {
	if g.tables == nil {
		return nil
	}
	modules := target.ModulesIn(p.code.list)
	if err := g.tables.Update(p.target, modules); err != nil {
		return err
	}
	g.noteTables(p, l)
	p.mu.Lock()
	p.modules = modules
	p.mu.Unlock()
	return nil
}

// Follow keeps up with the processes from now on, until Stop. It is called once every call is
// seen: what is read here can only change by what events tell.
func (g *Group) Follow() {
	for _, p := range g.procs.all() {
		p.findHeap()
	}
	g.LookForModules() // those that came since Attach
	g.follower.run()
	g.kin = g.watchKin()
	if !g.cfg.GrowthOnly {
		g.guard = g.guardProbes()
	}
}

// findHeap reads the range of the brk heap again: a heap that was made since it was read first had
// no event.
func (p *Process) findHeap() {
	if v := p.mallocView(); v != nil {
		v.findRange(p.pid)
	}
}

// LookForModules makes the follower look for modules that may have come or gone unseen.
func (g *Group) LookForModules() {
	g.follower.recount.Store(true)
	for _, p := range g.procs.all() {
		g.follower.modulesChanged(uint32(p.pid))
	}
}

// Unprobe is called before probes are removed, so that nobody misses them.
func (g *Group) Unprobe() {
	for _, p := range g.procs.all() {
		p.probed.Store(false)
	}
}

// Stop ends what Follow began, without waiting for the end: see the Wait methods. It is safe
// to call again.
func (g *Group) Stop() {
	g.follower.stop()
	g.Unprobe()
	g.stopMalloc.Do(func() { close(g.quitMalloc) })
	for _, stop := range []func(){g.guard.stop, g.kin.stop, g.memory.stop} {
		if stop != nil {
			stop()
		}
	}
}

// RefreshSymbols remembers what is mapped now. For a process that is gone, what was remembered
// before stays.
func (g *Group) RefreshSymbols() {
	for _, p := range g.procs.all() {
		_ = p.symbols.Refresh()
	}
}

// WaitGuard waits until the probes are no longer looked at.
func (g *Group) WaitGuard() {
	if g.guard.wait != nil {
		g.guard.wait()
	}
}

// WaitFollower waits until the processes are no longer followed.
func (g *Group) WaitFollower() { g.follower.wait() }

// Finish goes on with stacks for the last time. Everything that was sent must have been applied.
// While the follower runs, it does that.
func (g *Group) Finish() {
	if g.tables != nil && g.follower.ended.Load() {
		g.unwindLate(true)
	}
}

// WaitMemory waits until address spaces and descendants are no longer looked at.
func (g *Group) WaitMemory() {
	for _, wait := range []func(){g.kin.wait, g.memory.wait} {
		if wait != nil {
			wait()
		}
	}
}

// Gone returns the processes that have ended, by their pidfds.
func (g *Group) Gone() (gone []*Process) {
	for _, p := range g.procs.all() {
		if p.Gone() {
			gone = append(gone, p)
		}
	}
	return gone
}

// Settle looks at descendants and address spaces for the last time.
func (g *Group) Settle(now time.Time) {
	for _, p := range g.procs.all() {
		p.kin.Settle(now)
	}
	for _, p := range g.procs.all() {
		p.memory.settle(now)
	}
}

// Close frees everything. Probes must have been removed before.
func (g *Group) Close() error {
	var err error
	for _, p := range g.procs.all() {
		err = errors.Join(err, p.close())
	}
	return err
}
