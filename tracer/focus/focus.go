package focus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"memtrace/symbolize/patience"
	"memtrace/tracer/book"
	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"
	"memtrace/tracer/report"
)

// Kernel is what is in the kernel: *probe.Set.
type Kernel interface {
	MostReturns() int
	LimitReturns(most uint32) error
	AddReturn(probe.Return) error
	DropReturn(probe.Return) error
	ReturnsMet() (met, strays uint64, err error)
	EachReturn(func(probe.Return, probe.Met)) error
	AttachReturns(pid int, path string, offsets []uint64) (probe.Links, error)
}

// Config says what to look at and by what means.
type Config struct {
	Target *target.Target
	Kernel Kernel
	// Windowed says that only windows are watched. Before that nothing is done.
	Windowed func() bool
	// Rates says how often calls return to addresses, as far as windows have seen (times a second).
	Rates func() map[uint64]float64
	// Origins says who allocated blocks, as far as is known.
	Origins func([]uint64) []book.Origin
	// Debugged reports whether a debugger is attached: no probe is added then. CloseProbes takes probes
	// away.
	Debugged    func() bool
	CloseProbes func(probe.Links) error
	// Aside is called where memtrace's own time is no cost of the trace.
	Aside func() (end func())
	// MaxOverhead is the part of the process's time that the trace may cost, and Price what one probe
	// costs that is met.
	MaxOverhead float64
	Price       time.Duration
	Logf        func(format string, args ...any)
}

// Focus probes the places of one process. Its methods may be called by any goroutine.
type Focus struct {
	cfg  Config
	ctx  context.Context
	quit context.CancelFunc
	// want holds the latest of what was wanted.
	want  chan func(asked uint64) bool
	begin sync.Once
	// ended is closed when nothing is done any more.
	ended chan struct{}

	// All below but state belongs to the goroutine that works.
	modules map[key]*module
	order   []*module // in order of address
	unread  []string
	fits    func(asked uint64) bool
	// choosing: not all places that fit have been gone through.
	choosing bool
	batches  []*batch
	probed   map[uint64]*site // by address
	meter    meter
	lastMet  uint64
	strays   strays
	// measured is when places were last counted, brisk until when they are looked at often.
	measured, brisk time.Time

	mu    sync.Mutex
	state *report.HeapFocus
	since time.Time
}

// New returns a Focus that does nothing before Want.
func New(cfg Config) *Focus {
	f := &Focus{cfg: cfg, want: make(chan func(uint64) bool, 1), ended: make(chan struct{}), meter: newMeter(cfg.MaxOverhead, cfg.Price), probed: make(map[uint64]*site)}
	f.ctx, f.quit = context.WithCancel(context.Background())
	return f
}

// Ready reports whether there is something to do that nothing else does.
func (f *Focus) Ready() bool { return f.cfg.Windowed() }

// Origins says who allocated blocks, as far as is known.
func (f *Focus) Origins(addresses []uint64) []book.Origin { return f.cfg.Origins(addresses) }

// Want has the places probed from which blocks come for which a program asks for a number of bytes that
// fits. What was wanted before is wanted no more.
func (f *Focus) Want(fits func(asked uint64) bool) {
	select {
	case <-f.want:
	default:
	}
	f.want <- fits
	f.begin.Do(func() { go f.run() })
}

// Stop ends the work. The probes go with all others of the trace. It waits until the kernel is asked
// nothing more, unless the process's files do not answer.
func (f *Focus) Stop() {
	f.quit()
	f.begin.Do(func() { close(f.ended) })
	patience.Wait(patience.Limit, func() { <-f.ended })
}

// State says what was done, nil if nothing was wanted.
func (f *Focus) State() *report.HeapFocus {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state == nil {
		return nil
	}
	s := *f.state
	return &s
}

// How often the counts are looked at: briskly while a probe is new, and then steadily.
const (
	briskTick  = 5 * time.Millisecond
	briskTime  = time.Second
	steadyTick = 50 * time.Millisecond
	// mostSilent is the longest for which counts are not looked at place by place, leastMet how many
	// more there must be to look sooner.
	mostSilent = time.Second
	leastMet   = 32
)

func (f *Focus) run() {
	defer close(f.ended)
	defer func() {
		// Nothing that is read of a process may end the trace.
		if p := recover(); p != nil {
			f.cfg.Logf("the places where calls return are not probed any more: %v", p)
			f.giveUp(fmt.Errorf("%v", p))
		}
	}()
	if err := f.cfg.Kernel.LimitReturns(uint32(min(f.meter.each, 1<<20))); err != nil {
		f.giveUp(err)
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-f.ctx.Done():
			return
		case fits := <-f.want:
			if err := f.choose(fits); err != nil {
				f.giveUp(err)
				return
			}
		case <-timer.C:
			if err := f.look(); err != nil {
				f.giveUp(err)
				return
			}
			tick := steadyTick
			if time.Now().Before(f.brisk) {
				tick = briskTick
			}
			timer.Reset(tick)
		}
	}
}

// giveUp takes all probes away and says why.
func (f *Focus) giveUp(why error) {
	if f.ctx.Err() != nil {
		return
	}
	for _, b := range f.batches {
		f.close(b.links)
	}
	f.batches = nil
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state == nil {
		f.state = new(report.HeapFocus)
	}
	f.state.Unread = why.Error()
}

// look reads how often places were met, and takes those away that are met too often.
func (f *Focus) look() error {
	if len(f.batches) == 0 {
		return nil
	}
	met, strays, err := f.cfg.Kernel.ReturnsMet()
	if err != nil {
		return err
	}
	now := time.Now()
	if f.strays.add(strays, f.meter.rate(), now) {
		return f.forgetAll()
	}
	if met-f.lastMet < leastMet && now.Sub(f.measured) < mostSilent {
		return nil
	}
	f.lastMet, f.measured = met, now
	if err := f.count(); err != nil {
		return err
	}
	var all []*site
	for _, b := range f.batches {
		all = append(all, b.sites...)
	}
	if much := f.meter.judge(all, now); len(much) > 0 {
		for _, s := range much {
			s.state = hot
		}
		if err := f.takeAway(); err != nil {
			return err
		}
	}
	if !f.choosing {
		f.publish()
	}
	return nil
}
