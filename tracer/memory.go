package tracer

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"memtrace/tracer/ptmalloc"
	"memtrace/tracer/region"
	"memtrace/tracer/region/proc"
	"memtrace/tracer/report"
	"memtrace/tracer/sysmem"
)

// memoryInterval is how often address spaces are looked at.
const memoryInterval = time.Second

// memoryWatch follows the address space of one process. Looking takes long, so it
// has a lock of its own.
type memoryWatch struct {
	pid     int
	mu      sync.Mutex
	process *proc.Process
	sampler *region.Sampler
	// err is why there is no section; nil while it is not known.
	err error
	// settled is the section as of the end of the trace.
	settled *report.Memory
}

// poll looks at the process, and opens it first where that is still to be done.
func (w *memoryWatch) poll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	if w.sampler == nil {
		if w.process, w.err = proc.Open(w.pid); w.err != nil {
			return
		}
		w.sampler = region.NewSampler(w.process, region.Config{})
	}
	// An end is no error: the sampler remembers what it saw.
	if err := w.sampler.Poll(time.Now()); err != nil && !errors.Is(err, region.ErrGone) {
		w.err = err
	}
}

// settle takes the section for all later reports: what the process does after the end
// of the trace is not to be compared with what was traced.
func (w *memoryWatch) settle() {
	m := w.report()
	w.mu.Lock()
	w.settled = m
	w.mu.Unlock()
}

// report returns the section, nil where there is none.
func (w *memoryWatch) report() *report.Memory {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.settled != nil {
		m := *w.settled
		m.Notes = slices.Clone(m.Notes)
		return &m
	}
	if w.sampler == nil || w.err != nil {
		return nil
	}
	s, err := w.sampler.Snapshot(time.Now())
	if err != nil {
		return nil
	}
	return s.Report()
}

func (w *memoryWatch) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sampler = nil
	if w.process == nil {
		return nil
	}
	p := w.process
	w.process = nil
	return p.Close()
}

// watchMemory polls all processes until stop is called, which waits for that.
func watchMemory(watches []*memoryWatch) (stop func()) {
	quit := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(memoryInterval)
		defer tick.Stop()
		for {
			for _, w := range watches {
				w.poll()
			}
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	})
	return sync.OnceFunc(func() {
		close(quit)
		done.Wait()
	})
}

// lookAround looks at the address space and at the machine.
func (f *found) lookAround() {
	if s, err := sysmem.Read(); err == nil {
		f.system = s
	}
	f.memory = f.process.memory.report()
}

// remember adds the sections on memory to a report.
func (f *found) remember(r *report.Report) {
	r.System, r.Memory = f.system, f.memory
	m := f.memory
	if m == nil {
		return
	}
	text := ""
	if f.growth != nil {
		text = explainGrowth(m, r)
	} else {
		text = explain(m, r.Stacks)
	}
	if text != "" {
		m.Verdict += "; " + text
		if f.splitter == nil {
			return
		}
		if kept := f.splitter.view.kept(); kept != "" {
			m.Notes = append(m.Notes, kept)
		}
	}
}

// kept says how much of its memory malloc keeps free, "" where that is unknown.
func (v *mallocView) kept() string {
	v.using.Lock()
	defer v.using.Unlock()
	if v.heap == nil {
		return ""
	}
	arenas, err := v.heap.Arenas(ptmalloc.Limits{})
	if err != nil {
		return ""
	}
	system, free, complete := arenas.Total()
	text := "at least "
	if complete {
		text = ""
	}
	return fmt.Sprintf("malloc keeps %s%s free of the %s that its heaps have", text, report.Size(free), report.Size(system))
}
