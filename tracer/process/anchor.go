package process

import (
	"fmt"

	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"
)

// dropAnchor puts a probe into a process's program for an anchor to hold.
func (g *Group) dropAnchor(p *target.Target) probe.Links {
	l, err := probeEntry(g.probes, p)
	if err == nil && !anchored(p) {
		for _, layer := range p.Layers(p.Program()) {
			// A probe that does not reach the process is useless, so a failure to close it
			// does not matter.
			_ = l.Close()
			p.Program().Replace(layer)
			if l, err = probeEntry(g.probes, p); err == nil && anchored(p) {
				break
			}
		}
	}
	if err == nil && !anchored(p) {
		err = fmt.Errorf("no probe reaches the beginning of %s", p.Exe)
	}
	if err != nil && !target.Gone(p.PID) {
		g.cfg.Logf("to take probes away is less safe than it should be: %v", err)
	}
	return l
}

// anchored reports whether the probe is in the process's memory. It says yes if that cannot be
// told.
func anchored(p *target.Target) bool {
	places, err := p.Places(p.Program())
	return err != nil || len(notProbed(p.PID, places, probe.Whole)) == 0
}

func probeEntry(set *probe.Set, t *target.Target) (probe.Links, error) {
	path, offset, err := t.Entry()
	if err != nil {
		return nil, err
	}
	l, err := set.AttachIdle(t.PID, path, []uint64{offset})
	if err != nil {
		return nil, fmt.Errorf("probe the beginning of %s: %w", t.Exe, err)
	}
	return l, nil
}

// renewAnchor makes a process's anchor hold another probe. To remove the one held before takes a
// while, so call it last. A process that somebody holds does not wait for it.
func (g *Group) renewAnchor(p *Process, entry probe.Links) {
	hold := func() {
		if err := p.anchor.Hold(entry); err != nil {
			g.cfg.Logf("process %d: %v", p.pid, err)
		}
	}
	if p.held.Load() {
		go hold()
		return
	}
	hold()
}
