package process

import (
	"slices"

	"golang.org/x/sys/unix"

	"memtrace/tracer/event"
	"memtrace/tracer/process/target"
)

// Apply takes an event of the ring and notes what it changes in a process. For a fault it sets
// the event's Arg to the size of the page that was brought in, for a shmat its Size to that of the
// segment.
func (g *Group) Apply(ev *event.Event) {
	if g.late.take(ev) {
		g.follower.poke()
	}
	switch ev.Kind {
	case event.Mmap, event.Munmap, event.Mprotect, event.Fault, event.Exec, event.Code, event.Shmat:
	default:
		return
	}
	p := g.procs.of(ev.PID)
	if p == nil {
		return
	}
	switch ev.Kind {
	case event.Code:
		g.follower.codeMapped(ev)
	case event.Fault:
		ev.Arg = p.pageSize(ev.Addr)
	case event.Shmat:
		ev.Size = p.segmentSize(ev.Addr, ev.Arg)
	case event.Exec:
		kind := execByLeader
		if ev.Addr != 0 {
			kind = execByThread
		}
		g.late.execed(ev)
		if p.held.Load() {
			g.follower.forgetCodes(ev.PID) // see Executed for the rest
		} else {
			g.follower.programChanged(ev.PID, kind)
		}
		if g.probes.PageFaults {
			p.openFolios()
		}
	default:
		if mayMapCode(ev) || p.unmapsCode(ev) {
			g.follower.mappingsChanged(ev.PID, addresses{ev.Addr, ev.Addr + ev.Size})
		}
		if ev.Kind == event.Mmap && mayMapCode(ev) {
			g.late.mapped(ev)
		}
	}
}

// ApplySpilled takes an event that had spilled.
func (g *Group) ApplySpilled(ev *event.Event) {
	if p := g.procs.of(ev.PID); ev.Kind == event.Exec && p != nil {
		g.late.execed(ev)
		if !p.held.Load() {
			g.follower.programChanged(ev.PID, execByThread)
		}
		if g.probes.PageFaults {
			p.openFolios()
		}
	}
}

// mayMapCode reports whether an event adds a module or a part of one.
func mayMapCode(ev *event.Event) bool {
	switch ev.Kind {
	case event.Mmap:
		return ev.Arg&unix.PROT_EXEC != 0 && ev.Arg>>32&unix.MAP_ANONYMOUS == 0
	case event.Mprotect:
		return ev.Arg&unix.PROT_EXEC != 0
	}
	return false
}

// unmapsCode reports whether an event removes a module, or puts something else in its place.
func (p *Process) unmapsCode(ev *event.Event) bool {
	if ev.Kind != event.Munmap && (ev.Kind != event.Mmap || ev.Arg>>32&unix.MAP_FIXED == 0) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.modules, func(m target.Module) bool {
		return ev.Addr < m.End && m.Start < ev.Addr+ev.Size
	})
}
