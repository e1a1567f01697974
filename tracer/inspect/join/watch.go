package join

import (
	"context"
	"fmt"
	"sync"
	"time"

	"memtrace/tracer/inspect"
)

// Config says how to look.
type Config struct {
	inspect.Config
	// Interval is how far looks are apart at least.
	Interval time.Duration
	// Aside is called before a look and what it returns after it, in the same goroutine, which it locks to
	// its thread: what looks cost is no cost of the trace.
	Aside func() (end func())
	// Focus finds out who allocates what windows never meet, nil if nothing does.
	Focus Focus
	// Logf receives remarks.
	Logf func(format string, args ...any)
}

// Watch looks at the heap of a process again and again.
type Watch struct {
	cfg  Config
	quit context.CancelFunc
	// wanted are the sizes that were asked of Focus.
	wanted map[uint64]bool

	mu    sync.Mutex
	state inspect.State
	// unread is why there are no looks, or none any more.
	unread string
}

// Start begins to look, in a goroutine of its own. If the heap cannot be looked at, that is said once.
func Start(cfg Config) *Watch {
	ctx, quit := context.WithCancel(context.Background())
	cfg.Beside = true
	w := &Watch{cfg: cfg, quit: quit, wanted: make(map[uint64]bool)}
	go w.run(ctx)
	return w
}

// Unlooked is what reports are told of a process that is not looked at.
func Unlooked(why string) *Watch { return &Watch{unread: why} }

// Stop ends the looks. It waits for Focus, which uses the trace's probes, but for no look: one may take
// long where the process's memory does not answer. What looks have shown stays.
func (w *Watch) Stop() {
	w.quit()
	if w.cfg.Focus != nil {
		w.cfg.Focus.Stop()
	}
}

func (w *Watch) run(ctx context.Context) {
	var looker *inspect.Looker
	err := w.aside(func() (err error) {
		looker, err = inspect.Open(w.cfg.Config)
		return err
	})
	if err != nil {
		w.cfg.Logf("there is no heap section: %v", err)
		w.end(err.Error())
		return
	}
	defer func() { _ = w.aside(looker.Close) }() // it was only read
	said := false
	for ctx.Err() == nil {
		began := time.Now()
		err := w.aside(func() error { return w.look(ctx, looker) })
		switch {
		case ctx.Err() != nil:
			return
		case inspect.Gone(err) && looker.Looks() == 0:
			w.keep(looker.State()) // not what there is of a program that it ran before
			w.end("it ended before a look at it was finished")
			return
		case inspect.Gone(err):
			w.end(looker.End())
			return
		case err != nil:
			err = inspect.Advised(err)
			w.cfg.Logf("the heap is not looked at any more: %v", err)
			w.end(err.Error())
			return
		}
		pause := looker.Pause(w.cfg.Interval)
		if apart := time.Since(began) + pause; apart > w.cfg.Interval+time.Second && !said {
			said = true
			w.cfg.Logf("a look at the heap of process %d takes %v of processor time, so that looks are %v apart: they take at most %.2g %% of one core",
				w.cfg.PID, looker.Took().Round(time.Millisecond), apart.Round(time.Second), 100*w.cfg.MaxOverhead)
		}
		next := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-next.C:
		}
		next.Stop()
	}
}

// look takes one look and keeps what it shows.
func (w *Watch) look(ctx context.Context, looker *inspect.Looker) error {
	if err := looker.Look(ctx); err != nil {
		return err
	}
	w.keep(looker.State())
	w.focus()
	return nil
}

func (w *Watch) keep(state inspect.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = state
}

// aside reads a process by f. What that costs is no cost of the trace, and nothing that is read may end
// the trace.
func (w *Watch) aside(f func() error) (err error) {
	defer w.cfg.Aside()()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("look at the heap of process %d: %v", w.cfg.PID, p)
		}
	}()
	return f()
}

// end notes why there are no looks any more.
func (w *Watch) end(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unread = why
}

// Memory is about how many bytes the looks take: until the first is finished as many as they may.
func (w *Watch) Memory() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.Looks == 0 && w.unread == "" {
		return w.cfg.MaxMemory
	}
	return w.state.Memory
}
