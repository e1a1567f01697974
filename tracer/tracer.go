package tracer

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"memtrace/symbolize/patience"
	"memtrace/tracer/event"
	"memtrace/tracer/heap"
	"memtrace/tracer/probe"
	"memtrace/tracer/region"
	"memtrace/tracer/stacks"
	"memtrace/tracer/stream"
	"memtrace/tracer/target"
	"memtrace/tracer/vm"
	"memtrace/tracer/window"
)

// Tracer traces processes. Open attaches it, Run feeds it, Snapshot may be
// called at any time in between and after, Close gives everything back.
type Tracer struct {
	cfg Config
	// probes are what is in the kernel, attached is where it is attached.
	probes   *probe.Set
	attached *probe.Attached
	stream   *stream.Reader
	follower *follower
	// stopMemory ends the watch of the address spaces, stopGuard that over the probes, and
	// the others wait for that.
	stopMemory, waitMemory func()
	stopGuard, waitGuard   func()
	// stopMalloc ends that of the parameters of malloc.
	stopMalloc func()
	// kept are probes that stay until a debugger has left, see debugger.go; mu guards
	// them. lingers: so do all that were there at the end of the trace.
	kept    probe.Links
	lingers bool
	// loop is nil where every call is to be traced, whatever it costs.
	loop *window.Loop
	// attaching guards the links of processes while the trace goes on.
	attaching sync.Mutex
	// alarm goes off when more calls were seen than may be, see windowBook.AlarmAfter.
	alarm chan struct{}
	// tables are nil where stacks are walked by frame pointers.
	tables *probe.Tables

	// looked is when processes were looked at for their end, forgetting what is being
	// forgotten: both are the sink's.
	looked     time.Time
	forgetting forgetting

	// mu guards what the sink writes and Snapshot reads.
	mu       sync.Mutex
	heap     *heap.Heap
	vm       *vm.Ledger
	stacks   *stacks.Store
	procs    map[uint32]*process
	counters probe.Counters
	// missed is how often the kernel left out a program on system calls: of any
	// process, and with tracepoints of all calls, few of which change an address space.
	missed uint64
	seen   seen
	// windowed: since windowsSince only windows of time are watched.
	windowed     bool
	windowsSince moment
	// unanswered is what was waited for in vain.
	unanswered []string
	// start and end bound the time in which every call was seen. end is zero
	// while tracing.
	start, end moment
}

// moment is one point in time on both clocks.
type moment struct {
	wall time.Time
	mono uint64 // ns of CLOCK_MONOTONIC
}

func now() moment {
	return moment{time.Now(), event.Now()}
}

// at is another time (ns of CLOCK_MONOTONIC) as a moment.
func (m moment) at(mono uint64) moment {
	return moment{m.wall.Add(time.Duration(int64(mono) - int64(m.mono))), mono}
}

// since is the time from another moment on, below zero if m is the earlier one.
func (m moment) since(other moment) time.Duration {
	return time.Duration(int64(m.mono) - int64(other.mono))
}

// Open attaches to the processes of cfg. When it returns, every call of theirs
// is seen. On an error, which is that of ctx where that is done first, nothing is
// left attached; a *RequirementError says that the kernel or the privileges do not
// suffice, the errors of package target that a process cannot be traced.
func Open(ctx context.Context, cfg Config) (*Tracer, error) {
	cfg = cfg.withDefaults()
	features, err := probe.FindFeatures(cfg.probeOptions())
	if err != nil {
		return nil, err
	}
	t := &Tracer{
		cfg:      cfg,
		attached: new(probe.Attached),
		heap:     heap.New(heap.Config{Older: cfg.Older}),
		vm:       newLedger(cfg),
		stacks:   stacks.New(),
		procs:    make(map[uint32]*process),
		seen:     seen{tail: math.MaxUint64, alarm: math.MaxUint64},
		alarm:    make(chan struct{}, 1),
	}
	t.follower = newFollower(t)
	opened := make(chan error, 1)
	go func() {
		err := t.open(ctx, features)
		if err != nil {
			_ = t.Close() // the first error tells
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		if err != nil {
			return nil, err
		}
		return t, nil
	case <-ctx.Done():
	}
	// Whoever attaches may hang: the probes go first, and no more come.
	err = errors.Join(t.attached.CloseProbes(), t.attached.CloseAnchors())
	patience.Wait(patience.Limit, func() {
		if <-opened == nil {
			_ = t.Close() // the context's error tells
		}
	})
	return nil, errors.Join(ctx.Err(), err)
}

// open does what Open does, and leaves to its caller to close on an error.
func (t *Tracer) open(ctx context.Context, features probe.Features) (err error) {
	cfg := t.cfg
	for _, pid := range cfg.PIDs {
		if t.procs[uint32(pid)] != nil {
			continue
		}
		p, err := openProcess(pid, cfg, features.ReturnProbesKill())
		if err != nil {
			return err
		}
		t.procs[uint32(pid)] = p
		t.attached.Anchor(p.anchor)
		t.greetDebugger(p)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if t.probes, err = probe.Load(features, cfg.probeOptions(), t.attached); err != nil {
		return err
	}
	if t.stream, err = stream.New(t.probes, sink{t}); err != nil {
		return err
	}
	if cfg.GrowthOnly {
		t.stream.SetPace(stream.Slow)
	}
	if cfg.MaxOverhead > 0 {
		costs, err := t.probes.Calibrate(t.stream.Discard)
		if err != nil {
			return err
		}
		t.loop = t.newLoop(costs)
	}
	if err := t.probes.AttachKernel(); err != nil {
		return err
	}
	if features.UnwindTables {
		t.tables = probe.NewTables(t.probes)
	} else {
		cfg.Logf("stacks are walked by frame pointers here (by unwind tables from Linux 5.13 on, on x86-64)")
	}
	if err := t.attachProcesses(ctx); err != nil {
		return err
	}
	t.start = now()
	if err := t.probes.SetGate(probe.GateAll); err != nil {
		return err
	}
	for pid := range t.procs {
		t.follower.modulesChanged(pid) // meanwhile
	}
	t.follower.run()
	var watches []*memoryWatch
	for pid, p := range t.procs {
		p.memory.known = func() []region.Range { return t.mapped(pid) }
		watches = append(watches, p.memory)
	}
	t.stopMemory, t.waitMemory = watchMemory(watches)
	t.stopMalloc = t.watchMalloc()
	if !cfg.GrowthOnly {
		t.stopGuard, t.waitGuard = t.guardProbes()
	}
	return nil
}

// attachProcesses makes everything ready for the processes, short of going live.
func (t *Tracer) attachProcesses(ctx context.Context) error {
	for pid, p := range t.procs {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := t.probes.Trace(pid); err != nil {
			return err
		}
		if err := p.code.readAll(); err != nil {
			return err
		}
		if err := t.loadTables(p); err != nil {
			return err
		}
		if t.cfg.GrowthOnly {
			continue
		}
		if err := p.anchor.Hold(t.dropAnchor(p.target)); err != nil {
			return err
		}
		if err := t.attach(p); err != nil {
			return err
		}
	}
	if !t.cfg.GrowthOnly {
		return nil
	}
	// Last of all, because what comes to them from here on is missed.
	for pid, p := range t.procs {
		if err := t.beginGrowth(pid, p); err != nil {
			return err
		}
	}
	return nil
}

// loadTables loads the unwind tables of what a process maps.
func (t *Tracer) loadTables(p *process) error {
	if t.tables == nil {
		return nil
	}
	modules := target.ModulesIn(p.code.list)
	if err := t.tables.Update(p.target, modules); err != nil {
		return err
	}
	t.mu.Lock()
	p.modules = modules
	t.mu.Unlock()
	return nil
}

// Run reads events until ctx is done or every process has exited; then it
// detaches, reads what is still on its way, and returns nil. It is called once.
func (t *Tracer) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, t.stream.Wake)()
	if t.loop != nil {
		t.loop.Start(t.start.wall)
	}
	err := t.stream.Run(func(caughtUp bool) bool {
		exited := t.allExited()
		// A stop that could wait for the ring to run dry might never come.
		return (exited || ctx.Err() != nil) && (caughtUp || !exited)
	})
	return errors.Join(err, t.stop())
}

func (t *Tracer) allExited() bool {
	for _, p := range t.procs {
		if !p.exited {
			return false
		}
	}
	return true
}
