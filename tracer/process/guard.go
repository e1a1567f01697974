package process

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"memtrace/tracer/event"
	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"
)

// guardInterval is how often the probes of a process are looked at.
const guardInterval = time.Second

// guardProbes watches the probes of all processes.
func (g *Group) guardProbes() watch {
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
			g.Debugged() // logs debuggers that come and go
			for _, p := range g.procs.all() {
				g.lookAtProbes(p)
			}
		}
	})
	return watch{sync.OnceFunc(func() { close(quit) }), done.Wait}
}

// lookAtProbes checks that the probes of a process whose every call is traced are in place,
// and puts missing ones back.
func (g *Group) lookAtProbes(p *Process) {
	g.attaching.Lock()
	defer g.attaching.Unlock()
	lacks := g.lackingNow(p)
	if len(lacks) == 0 {
		p.reach.said = ""
		return
	}
	g.lack(p, describeLacks(lacks, takenAway))
	if d, _ := debuggerOf(p.target.PID); d.writesCode() {
		return // it may be about to save what it finds
	}
	back, err := g.putBack(p, lacks)
	if err != nil && !p.Gone() {
		g.cfg.Logf("process %d: put probes back: %v", p.target.PID, err)
	}
	if back == 0 {
		return
	}
	p.reach.said = ""
	// Frees went unseen, so blocks born before are no evidence.
	g.book.Unprobed(uint32(p.pid), back)
	g.cfg.Logf("%v: the probes are back in place", p)
}

// lackingNow returns the places where a process should have a probe now but has none.
func (g *Group) lackingNow(p *Process) (lacks []target.Place) {
	if !p.probed.Load() || p.Gone() || !p.target.Runs() {
		return nil
	}
	for _, o := range p.target.Objects {
		lacks = append(lacks, p.lacking(o, probe.Whole)...)
	}
	if !p.probed.Load() {
		return nil // they were removed meanwhile
	}
	return lacks
}

// putBack makes the kernel write its breakpoints anew, which it does at a place with probes
// when another one is added. The added probe sees nothing, and is removed again. putBack
// returns when all were back in place (ns of CLOCK_MONOTONIC), 0 if they are not.
func (g *Group) putBack(p *Process, lacks []target.Place) (back uint64, err error) {
	offsets := make(map[*target.Object][]uint64)
	for _, l := range lacks {
		if l.Barred != "" {
			return back, nil
		}
		offsets[l.Object] = append(offsets[l.Object], l.Probe.Offset)
	}
	var more probe.Links
	for o, at := range offsets {
		l, attachErr := g.probes.AttachIdle(p.target.PID, o.OpenPath(), at)
		if attachErr != nil {
			err = errors.Join(err, fmt.Errorf("probe %s: %w", o.Path, attachErr))
		}
		more = append(more, l...)
	}
	if len(g.lackingNow(p)) == 0 && p.probed.Load() {
		back = event.Now()
	}
	return back, errors.Join(err, more.Close())
}

// CheckAtEnd looks at the probes one last time before they are removed.
func (g *Group) CheckAtEnd() {
	g.attaching.Lock()
	defer g.attaching.Unlock()
	for _, p := range g.procs.all() {
		p.reach.places = nil // forces a fresh look at what is mapped
		if lacks := g.lackingNow(p); len(lacks) > 0 {
			g.lack(p, describeLacks(lacks, takenAway))
		}
	}
}
