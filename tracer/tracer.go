package tracer

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"memtrace/symbolize/patience"
	"memtrace/tracer/book"
	"memtrace/tracer/event"
	"memtrace/tracer/probe"
	"memtrace/tracer/process"
	"memtrace/tracer/stream"
	"memtrace/tracer/window"
)

// Tracer traces processes. Open attaches it and Run feeds it. Snapshot may be called at any
// time after Open and before Close. Close gives everything back.
type Tracer struct {
	cfg Config
	// probes are what is in the kernel, attached is where it is attached.
	probes    *probe.Set
	attached  *probe.Attached
	stream    *stream.Reader
	book      *book.Book
	processes *process.Group
	followed  followed
	// loop is nil if every call is traced, whatever that costs.
	loop *window.Loop
	// tables are nil if stacks are walked by frame pointers.
	tables *probe.Tables
	// lingers means that the probes stay after the end of the trace, until a debugger has
	// left.
	lingers bool
	// start is when every call began to be seen, startMono the same in ns of CLOCK_MONOTONIC.
	start     time.Time
	startMono uint64

	// unanswered is what was waited for in vain.
	unanswered patience.GivenUp

	// mu guards the fields below.
	mu sync.Mutex
	// end is when the trace ended, zero while tracing; endMono is as startMono.
	end     time.Time
	endMono uint64
}

// Open attaches to the processes of cfg. When it returns, all their calls are seen. On an
// error nothing stays attached. The error is that of ctx if that is done first. A
// *RequirementError says that the kernel or the privileges do not suffice; the errors of
// package target say that a process cannot be traced.
func Open(ctx context.Context, cfg Config) (*Tracer, error) {
	cfg = cfg.withDefaults()
	features, err := probe.FindFeatures(cfg.probeOptions())
	if err != nil {
		return nil, err
	}
	t := &Tracer{cfg: cfg, attached: new(probe.Attached)}
	opened := make(chan error, 1)
	go func() {
		err := t.open(ctx, features)
		if err != nil {
			_ = t.Close() // the first error is returned
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
	// Attaching may hang: the probes go first, and no more can come.
	err = errors.Join(t.attached.CloseProbes(), t.attached.CloseAnchors())
	patience.Wait(patience.Limit, func() {
		if <-opened == nil {
			_ = t.Close() // the context's error is returned
		}
	})
	return nil, errors.Join(ctx.Err(), err)
}

// open does the work of Open. On an error its caller closes.
func (t *Tracer) open(ctx context.Context, features probe.Features) (err error) {
	cfg := t.cfg
	t.book = book.New(book.Config{Growth: cfg.GrowthOnly, Follow: cfg.Follow, Older: cfg.Older, MinSize: cfg.MinSize, MaxSize: cfg.MaxSize})
	t.processes = process.NewGroup(process.Config{
		GrowthOnly: cfg.GrowthOnly, Named: cfg.Named, DebugDirs: cfg.DebugDirs, NamesLater: cfg.NamesLater, MaxOverhead: cfg.MaxOverhead,
		ReturnProbesKill: features.ReturnProbesKill(), Logf: cfg.Logf, Verbose: cfg.Verbose, GiveUp: t.unanswered.Add,
	}, t.book, t.attached)
	if err := t.processes.OpenAll(ctx, cfg.PIDs); err != nil {
		return err
	}
	if t.probes, err = probe.Load(features, cfg.probeOptions(), t.attached); err != nil {
		return err
	}
	if t.stream, err = stream.New(t.probes, &sink{Tracer: t, Book: t.book}); err != nil {
		return err
	}
	if cfg.MaxOverhead > 0 {
		prices, err := t.probes.Calibrate(t.stream.Discard)
		if err != nil {
			return err
		}
		t.loop = t.newLoop(t.processes.Costs(prices))
	}
	if err := t.probes.AttachKernel(); err != nil {
		return err
	}
	if features.UnwindTables {
		t.tables = probe.NewTables(t.probes)
	} else {
		cfg.Logf("stacks are walked by frame pointers here (by unwind tables from Linux 5.13 on, on x86-64)")
	}
	if err := t.processes.Attach(ctx, t.probes, t.tables); err != nil {
		return err
	}
	for _, pid := range t.processes.PIDs() {
		t.book.Add(pid)
	}
	if cfg.GrowthOnly {
		if err := t.beginGrowth(); err != nil {
			return err
		}
	}
	t.processes.LookFirst()
	t.start, t.startMono = time.Now(), event.Now()
	if err := t.probes.SetGate(probe.GateAll); err != nil {
		return err
	}
	t.processes.Follow()
	if cfg.Follow {
		t.processes.Hold()
	}
	if cfg.joined() {
		t.followed.queue.Start(t.bury)
	}
	return nil
}

// beginGrowth starts watching the processes for growth and page faults. It comes last, because
// what happens in them between here and the opening of the gate is missed.
func (t *Tracer) beginGrowth() error {
	t.stream.SetPace(stream.Slow)
	if t.probes.PageFaults {
		t.book.SampleFaults()
		t.processes.SizePages()
	}
	for _, pid := range t.processes.PIDs() {
		mapped, err := process.ReadMapped(pid)
		if err != nil {
			return err
		}
		t.book.BeginGrowth(pid, mapped)
	}
	return nil
}

// newLoop makes the loop of windows, used if tracing may cost only so much.
func (t *Tracer) newLoop(costs probe.Costs) *window.Loop {
	cfg := window.Config{
		MaxOverhead: t.cfg.MaxOverhead, MaxStall: t.cfg.MaxStall, MaxSlowed: t.cfg.MaxSlowed, Costs: costs,
		SomeSizes: t.cfg.MinSize > 0 || t.cfg.MaxSize != math.MaxUint64,
		Urgent:    true, Delay: stream.PollInterval, OwnTime: process.OwnTime, Logf: t.cfg.Logf, GiveUp: t.unanswered.Add,
	}
	return window.New(cfg, windowProbes{t}, windowBook{t.book, t}, process.NewChecker(t.processes, t.book))
}

// Run reads events until ctx is done or every process has exited. Then it detaches, reads what
// is still on its way, and returns nil. It must be called only once.
func (t *Tracer) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, t.stream.Wake)()
	if t.loop != nil {
		t.loop.Start(t.start)
	}
	err := t.stream.Run(func(caughtUp bool) bool {
		exited := t.book.AllExited()
		// On ctx's end this does not wait for the ring to run dry, which might never happen.
		return (exited || ctx.Err() != nil) && (caughtUp || !exited)
	})
	return errors.Join(err, t.stop())
}
