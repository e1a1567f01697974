package process

import (
	"errors"
	"time"

	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"
)

// AttachWindow attaches the probes of a window, with the gate shut: births on the functions in
// which blocks are born, ends on those in which they end. The first of them were in place from the
// time since on. Links returned with an error are in place, too. HasWindow says afterwards which
// processes they reach.
func (g *Group) AttachWindow() (births, ends probe.Links, since time.Time, err error) {
	g.attaching.Lock()
	defer g.attaching.Unlock()
	if err := g.probes.NextGeneration(); err != nil {
		return nil, nil, time.Now(), err
	}
	for _, p := range g.procs.all() {
		// A new program's mappings are not known yet, and its anchor is not there.
		p.unwatched = p.Gone() || !p.target.Runs()
		if p.unwatched {
			continue
		}
		for _, o := range p.target.Objects {
			l, lacks, attachErr := g.attachReaching(p, o, probe.Ends)
			ends = append(ends, l...)
			if since.IsZero() {
				since = time.Now()
			}
			if attachErr == nil {
				var more []target.Place
				l, more, attachErr = g.attachReaching(p, o, probe.Births)
				births, lacks = append(births, l...), append(lacks, more...)
			}
			if attachErr != nil && !errors.Is(attachErr, target.ErrNoProcess) {
				err = errors.Join(err, attachErr)
			}
			if len(lacks) > 0 {
				g.lack(p, describeLacks(lacks, otherFile))
				p.unwatched = true // what was seen of it would be no evidence
			}
		}
	}
	return births, ends, since, err
}

// HasWindow reports whether a process has a part in the window.
func (g *Group) HasWindow(pid uint32) bool {
	p := g.procs.of(pid)
	return p != nil && !p.unwatched
}

// LeaveExact returns the probes that are in place for tracing every call. From now on
// there are only those of windows. It calls change while nobody attaches: as long as
// somebody hangs who does, every call is traced.
func (g *Group) LeaveExact(change func()) (all probe.Links) {
	g.attaching.Lock()
	defer g.attaching.Unlock()
	change()
	g.windowed = true
	for _, p := range g.procs.all() {
		p.probed.Store(false)
		all = append(all, p.links...)
		p.links = nil
	}
	return all
}

// ProcessorTime returns the processor time of all processes. For one that is gone, or has left,
// the last known value counts.
func (g *Group) ProcessorTime() time.Duration {
	sum := g.leftCPU.Load()
	for _, p := range g.procs.all() {
		if used, err := processorTime(p.pid); err == nil {
			p.cpu.Store(int64(used))
		}
		sum += p.cpu.Load()
	}
	return time.Duration(sum)
}
