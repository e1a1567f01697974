package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/diagnose/suppress"
	"memtrace/tracer/inspect/census"
	"memtrace/tracer/inspect/cohort"
	"memtrace/tracer/inspect/datasym"
	"memtrace/tracer/inspect/freeze"
	"memtrace/tracer/inspect/graph"
	"memtrace/tracer/inspect/kinds"
	"memtrace/tracer/region"
	"memtrace/tracer/region/proc"
	"memtrace/tracer/report"
)

// ErrGone means that the process has ended. What was known of it can still be reported.
var ErrGone = errors.New("the process has ended")

// Config says what to look at.
type Config struct {
	PID int
	// MaxOverhead is how much of one core reading may take, from 0 to 1; 0 is no bound.
	MaxOverhead float64
	// Why is an address of which the report says how it is reached, 0 for none.
	Why uint64
	// Beside means that the process does other things meanwhile: what looks take is the processor time of
	// the calling thread, which Look must not be moved from (runtime.LockOSThread).
	Beside bool
	// Freeze: stop the process for a look and look at a copy, so that all is of one moment. It is refused
	// if the process would be stopped for more than MaxStall.
	Freeze   bool
	MaxStall time.Duration
	// MaxMemory is how much memory this process may take for it, in bytes; 0 is no bound. A heap that
	// needs more is an error that wraps ErrMemory.
	MaxMemory uint64
	// Suppressions hide groups of blocks by their kind, and by the module and the name of what holds
	// them.
	Suppressions *suppress.List
	// DebugDirs are searched for separate debug files; without any /usr/lib/debug is.
	DebugDirs []string
}

// Looker looks at the heap of one process. It is not safe for concurrent use.
type Looker struct {
	cfg     Config
	process *proc.Process
	program program

	walker  *census.Walker
	symbols *datasym.Table
	namer   *kinds.Namer

	cohorts *cohort.Tracker
	passes  passes
	roots   roots
	last    last

	start time.Time
	looks int
	// shift: one of 1<<shift blocks is looked at.
	shift uint
	// spent is the processor time of all looks, took that of the last one, and began when that began.
	spent, took time.Duration
	stops       report.HeapStops
	began       time.Time
	// gone: there is nothing to look at any more, and end says why.
	gone  bool
	end   string
	notes []string
}

// program tells an exec: the file, and where the kernel put the stack.
type program struct {
	exe   string
	stack uint64
}

// Open opens a process. The process's own user needs no root. The error says in one line why a
// process cannot be looked at.
func Open(cfg Config) (*Looker, error) {
	p, err := proc.Open(cfg.PID)
	if err != nil {
		return nil, err
	}
	l := &Looker{cfg: cfg, process: p}
	if err := l.enter(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// enter begins with the program that the process runs now.
func (l *Looker) enter() error {
	facts, err := l.process.Facts()
	if err != nil {
		return fmt.Errorf("look at process %d: %w", l.cfg.PID, err)
	}
	walker, err := census.Open(l.cfg.PID)
	if err != nil {
		return refused(l.process, err)
	}
	symbols, err := datasym.Open(l.cfg.PID, l.cfg.DebugDirs...)
	if err != nil {
		return errors.Join(err, walker.Close())
	}
	l.program, l.walker, l.symbols = program{facts.Exe, facts.Program}, walker, symbols
	l.namer = kinds.New(l.symbols, l.walker)
	l.shift, l.stops = 0, report.HeapStops{}
	l.begin()
	return nil
}

// Close releases what Open acquired.
func (l *Looker) Close() error {
	var err error
	if l.walker != nil {
		err = l.walker.Close()
		l.walker = nil
	}
	return errors.Join(err, l.process.Close())
}

// Looks is how many looks at the program there were.
func (l *Looker) Looks() int { return l.looks }

// Look lists all blocks, follows the pointers between them, and compares both with the looks before.
// The error wraps ErrGone if the process has ended meanwhile. If it runs another program now, looks
// begin anew.
func (l *Looker) Look(ctx context.Context) error {
	if l.gone {
		return ErrGone
	}
	if err := l.follow(ctx); err != nil {
		return err
	}
	l.began = time.Now()
	before := l.processorTime()
	err := l.look(ctx)
	l.took = l.processorTime() - before
	l.spent += l.took
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// What was read while it ended or ran another program means nothing.
	switch changed, gone := l.changed(); {
	case gone:
		return l.over("The process has ended.")
	case changed:
		return l.follow(ctx)
	}
	if Refused(err) {
		return err
	}
	return fmt.Errorf("look at the heap of process %d (%s, look %d, after %v): %w",
		l.cfg.PID, l.process.Command, l.looks+1, time.Since(l.began).Round(time.Millisecond), err)
}

// follow goes on with another program if the process runs one. What is known of the one before is
// kept if the heap of the new one cannot be read.
func (l *Looker) follow(ctx context.Context) error {
	changed, gone := l.changed()
	if gone {
		return l.over("The process has ended.")
	}
	if !changed && l.walker != nil {
		return nil
	}
	if l.walker != nil { // otherwise the heap of a program before could not be read
		_ = l.walker.Close() // it was only read
		l.walker = nil
	}
	looks := l.looks
	err := l.enter()
	for range 5 {
		if err == nil || ctx.Err() != nil {
			break
		}
		time.Sleep(200 * time.Millisecond) // its libraries may not be mapped yet
		err = l.enter()
	}
	switch {
	case err == nil:
		l.notes = append(l.notes[:0], fmt.Sprintf("The process ran another program after %s: looks began anew.", report.Counted(uint64(looks), "look", "looks")))
	case looks > 0:
		return l.over("The process runs another program now. " + err.Error() + ".")
	}
	return err
}

// over notes that there is nothing to look at any more.
func (l *Looker) over(why string) error {
	if l.gone, l.end = true, why; l.looks > 0 {
		l.end += " This is what the last look showed."
	}
	return ErrGone
}

// End says why there is nothing to look at any more, once Look has returned ErrGone.
func (l *Looker) End() string { return cmp.Or(l.end, "The process has ended.") }

// changed reports whether the process has run another program, or ended.
func (l *Looker) changed() (changed, gone bool) {
	facts, err := l.process.Facts()
	if err != nil {
		return false, true
	}
	return l.program != program{facts.Exe, facts.Program}, false
}

// Gone reports whether err says that there is no process to look at any more.
func Gone(err error) bool { return errors.Is(err, ErrGone) || errors.Is(err, region.ErrGone) }

// look takes one look.
func (l *Looker) look(ctx context.Context) error {
	if !l.cfg.Freeze {
		return l.lookAt(ctx, nil)
	}
	p, err := l.freeze(ctx)
	if err != nil {
		return err
	}
	err = l.lookAt(ctx, p)
	l.use(nil)
	return errors.Join(err, p.Close())
}

// lookAt takes a look at a picture, or at the running process if that is nil.
func (l *Looker) lookAt(ctx context.Context, p *freeze.Picture) error {
	l.use(p)
	taken := time.Now()
	l.walker.Most, l.walker.Sample = l.mostBlocks(p), l.mayBePart(p)
	c, err := l.walker.Look()
	if err != nil {
		return err
	}
	if p != nil {
		c.At, c.Within = taken, 0 // just before
	}
	if err := l.fits(c, p); err != nil {
		return err
	}
	if c.Shift > 0 {
		return l.lookAtPart(ctx, c)
	}
	g, err := graph.Build(ctx, graph.Config{
		PID: l.cfg.PID, Walker: l.walker, Kinds: l.namer, Symbols: l.symbols,
		NoPaths: l.cfg.Why == 0, MaxBytes: l.memoryBeside(c, p), Picture: p, Hashed: l.cohorts.Begin(c.Blocks),
	}, c)
	if err != nil {
		return l.lookAtLess(ctx, p, c.Blocks.Len(), err)
	}
	// A process that ended or changed while it was read looks as if much were gone.
	if changed, gone := l.changed(); changed || gone {
		return ErrGone
	}
	l.count(c)
	held := g.Holders()
	of := l.roots.add(g, held, c.At)
	l.cohorts.Add(cohort.Look{
		At: c.At, Within: c.Within, Blocks: c.Blocks, Hashes: g.Hash,
		Kind:   func(i int) uint32 { return uint32(g.KindOf(i)) },
		Holder: func(i int) int32 { return of(g.HolderOf(i)) },
	})
	l.passes.add(g)
	l.last = last{end: c.End, totals: c.Totals, blocks: c.Blocks.Len(), unheld: unheld(c, held), skipped: skipsOf(c, g), lost: lostOf(&l.passes.old), passes: l.passes.old.Len(), enough: l.passes.old.Enough(), path: l.pathTo(g)}
	return nil
}

// count counts a look that succeeds.
func (l *Looker) count(c *census.Census) {
	if l.looks == 0 {
		l.start = c.Start
	}
	l.looks++
	l.giveUp()
}

// Pause is how long it is until the next look may begin, given how far looks are to be apart at least.
func (l *Looker) Pause(interval time.Duration) time.Duration {
	if l.cfg.MaxOverhead > 0 {
		interval = max(interval, time.Duration(float64(l.took)/l.cfg.MaxOverhead))
	}
	return max(interval-time.Since(l.began), 0)
}

// Took is the processor time of the last look.
func (l *Looker) Took() time.Duration { return l.took }

// processorTime is what memtrace, or this thread of it, has used of processors so far.
func (l *Looker) processorTime() time.Duration {
	who := unix.RUSAGE_SELF
	if l.cfg.Beside {
		who = unix.RUSAGE_THREAD
	}
	var u unix.Rusage
	if unix.Getrusage(who, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
