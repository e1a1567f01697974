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
	// Logf receives remarks.
	Logf func(format string, args ...any)
}

// Watch looks at the heap of a process again and again.
type Watch struct {
	cfg  Config
	quit context.CancelFunc

	mu    sync.Mutex
	state inspect.State
	// unread is why there are no looks, or none any more.
	unread string
}

// Start begins to look, in a goroutine of its own. If the heap cannot be looked at, that is said once.
func Start(cfg Config) *Watch {
	ctx, quit := context.WithCancel(context.Background())
	cfg.Beside = true
	w := &Watch{cfg: cfg, quit: quit}
	go w.run(ctx)
	return w
}

// Stop ends the looks. It waits for nothing: a look may take long where the process's memory does not
// answer. What looks have shown stays.
func (w *Watch) Stop() { w.quit() }

func (w *Watch) run(ctx context.Context) {
	looker, err := inspect.Open(w.cfg.Config)
	if err != nil {
		w.cfg.Logf("there is no heap section: %v", err)
		w.end(err.Error())
		return
	}
	defer func() { _ = looker.Close() }() // it was only read
	said := false
	for ctx.Err() == nil {
		began := time.Now()
		err := w.look(ctx, looker)
		switch {
		case ctx.Err() != nil:
			return
		case inspect.Gone(err):
			w.end("The process has ended, or runs another program: this is what the last look showed.")
			return
		case err != nil:
			w.cfg.Logf("the heap is not looked at any more: %v", err)
			w.end(err.Error())
			return
		}
		pause := looker.Pause(w.cfg.Interval)
		if apart := time.Since(began) + pause; apart > w.cfg.Interval+time.Second && !said {
			said = true
			w.cfg.Logf("a look at the heap takes %v of processor time, so that looks are %v apart (--max-overhead)",
				looker.Took().Round(time.Millisecond), apart.Round(time.Second))
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
func (w *Watch) look(ctx context.Context, looker *inspect.Looker) (err error) {
	defer w.cfg.Aside()()
	defer func() {
		// Nothing that is read of a process may end the trace.
		if p := recover(); p != nil {
			err = fmt.Errorf("look at the heap of process %d: %v", w.cfg.PID, p)
		}
	}()
	if err := looker.Look(ctx); err != nil {
		return err
	}
	state := looker.State()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = state
	return nil
}

// end notes why there are no looks any more.
func (w *Watch) end(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unread = why
}

// blockMemory is about what looks take for a block, in bytes.
const blockMemory = 32

// Memory is about how many bytes the looks take.
func (w *Watch) Memory() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.InUse.Blocks * blockMemory
}
