package tracer

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"memtrace/tracer/probe"
	"memtrace/tracer/target"
)

// guardInterval is how often the probes of a process are looked at.
const guardInterval = time.Second

// guardProbes looks at the probes of all processes until stop is called; wait waits for the
// end of that.
func (t *Tracer) guardProbes() (stop, wait func()) {
	quit := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(guardInterval)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			t.debugged() // says who comes and goes
			for _, p := range t.procs {
				t.lookAtProbes(p)
			}
		}
	})
	return sync.OnceFunc(func() { close(quit) }), done.Wait
}

// lookAtProbes sees whether the probes of a process whose every call is to be traced are
// in place. Those that are not are put back.
func (t *Tracer) lookAtProbes(p *process) {
	t.attaching.Lock()
	defer t.attaching.Unlock()
	lacks := t.lackingNow(p)
	if len(lacks) == 0 {
		p.reach.said = ""
		return
	}
	t.lack(p, describeLacks(lacks, takenAway))
	if d, _ := debuggerOf(p.target.PID); d.writesCode() {
		return // it may be about to save what it finds
	}
	back, err := t.putBack(p, lacks)
	if err != nil && !p.gone() {
		t.cfg.Logf("process %d: put probes back: %v", p.target.PID, err)
	}
	if back.mono == 0 {
		return
	}
	p.reach.said = ""
	// Frees went unseen: what was born before is not evidence.
	t.mu.Lock()
	t.heap.Gap(uint32(p.target.PID), back.mono)
	t.mu.Unlock()
	t.cfg.Logf("process %d (%s): the probes are back in place", p.target.PID, p.target.Command)
}

// lackingNow returns the places where a process has no probe that should have one now.
func (t *Tracer) lackingNow(p *process) (lacks []target.Place) {
	if !p.probed.Load() || p.gone() || !p.target.Runs() {
		return nil
	}
	for _, o := range p.target.Objects {
		lacks = append(lacks, p.lacking(o, probe.Whole)...)
	}
	if !p.probed.Load() {
		return nil // they were taken away meanwhile
	}
	return lacks
}

// putBack has the kernel write its breakpoints anew, which it does at places that have
// probes when one more comes. That one sees nothing, and goes again. It returns when all
// were back in place, zero if they are not.
func (t *Tracer) putBack(p *process, lacks []target.Place) (back moment, err error) {
	offsets := make(map[*target.Object][]uint64)
	for _, l := range lacks {
		if l.Barred != "" {
			return back, nil
		}
		offsets[l.Object] = append(offsets[l.Object], l.Probe.Offset)
	}
	var more probe.Links
	for o, at := range offsets {
		l, attachErr := t.probes.AttachIdle(p.target.PID, o.OpenPath(), at)
		if attachErr != nil {
			err = errors.Join(err, fmt.Errorf("probe %s: %w", o.Path, attachErr))
		}
		more = append(more, l...)
	}
	if len(t.lackingNow(p)) == 0 && p.probed.Load() {
		back = now()
	}
	return back, errors.Join(err, more.Close())
}

// checkAtEnd is the last look, before the probes go.
func (t *Tracer) checkAtEnd() {
	t.attaching.Lock()
	defer t.attaching.Unlock()
	for _, p := range t.procs {
		p.reach.places = nil // what is mapped by now
		if lacks := t.lackingNow(p); len(lacks) > 0 {
			t.lack(p, describeLacks(lacks, takenAway))
		}
	}
}
