package tracer

import (
	"math"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/event"
	"memtrace/tracer/probe"
	"memtrace/tracer/target"
)

// lookInterval is how often processes are looked at for a death that no
// event told of.
const lookInterval = 250 * time.Millisecond

// sink hands what is read to those whom it concerns. It is the stream's.
type sink struct{ *Tracer }

func (r sink) Lock()   { r.mu.Lock() }
func (r sink) Unlock() { r.mu.Unlock() }

// Apply hands an event to whom it concerns.
func (r sink) Apply(ev *event.Event) {
	switch ev.Kind {
	case event.Stack:
		r.stacks.Add(ev.Stack, ev.Frames, ev.Flags&event.Truncated != 0)
		r.forgetting.sentAgain(ev.Stack)
	case event.Mmap, event.Munmap, event.MunmapFail, event.MremapEnter, event.Mremap, event.MremapFail, event.Brk, event.Mprotect:
		r.vm.Apply(ev)
		if p := r.procs[ev.PID]; p != nil {
			p.faults.follow(ev)
			if ev.Kind == event.Brk {
				p.malloc.grown(ev.Addr)
			}
		}
		if mayMapCode(ev) || r.unmapsCode(ev) {
			r.follower.mappingsChanged(ev.PID, addresses{ev.Addr, ev.Addr + ev.Size})
		}
	case event.Fault:
		if p := r.procs[ev.PID]; p != nil {
			p.faults.add(ev)
		}
	case event.Exec, event.Fork, event.Exit:
		r.applyLifecycle(ev)
	default:
		r.applyBlock(ev)
	}
	if r.cfg.slowReader > 0 {
		time.Sleep(r.cfg.slowReader)
	}
}

// applyBlock takes what concerns the blocks of allocation functions.
func (r sink) applyBlock(ev *event.Event) {
	switch {
	case ev.Kind != event.Free:
		if ev.Kind != event.ReallocEnter {
			r.seen.allocs++
		}
	case ev.Time >= r.seen.tail:
		r.seen.late++
	default:
		r.seen.frees++
	}
	if r.seen.allocs+r.seen.frees >= r.seen.alarm {
		r.seen.alarm = math.MaxUint64
		select {
		case r.alarm <- struct{}{}:
		default:
		}
	}
	if !r.windowed {
		r.heap.Apply(ev)
	} else if p := r.procs[ev.PID]; p != nil {
		p.sample.Apply(ev)
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

// unmapsCode reports whether an event takes a module away, or puts something else in
// its place.
func (r sink) unmapsCode(ev *event.Event) bool {
	p := r.procs[ev.PID]
	if ev.Kind != event.Munmap && (ev.Kind != event.Mmap || ev.Arg>>32&unix.MAP_FIXED == 0) || p == nil {
		return false
	}
	return slices.ContainsFunc(p.modules, func(m target.Module) bool {
		return ev.Addr < m.End && m.Start < ev.Addr+ev.Size
	})
}

func (r sink) applyLifecycle(ev *event.Event) {
	p := r.procs[ev.PID]
	if p == nil {
		return
	}
	switch ev.Kind {
	case event.Fork:
		p.children++
		return
	case event.Exec:
		kind := execByLeader
		if ev.Addr != 0 {
			kind = execByThread
		}
		p.execs++
		r.follower.programChanged(ev.PID, kind)
		p.faults.reset(int(ev.PID))
	case event.Exit:
		p.exited, p.endMono = true, ev.Time
		p.status = unix.WaitStatus(ev.Addr)
	}
	if r.windowed {
		p.sample.Apply(ev)
	} else {
		r.heap.Apply(ev)
	}
	r.vm.Apply(ev)
}

// ApplySpilled puts an event in its place by its time.
func (r sink) ApplySpilled(ev *event.Event) {
	switch ev.Kind {
	case event.Free, event.ReallocEnter:
		if r.windowed {
			if p := r.procs[ev.PID]; p != nil {
				p.sample.Free(ev.Addr, ev.Time)
			}
			return
		}
		r.heap.ApplyLateFree(ev.PID, ev.Addr, ev.Time, ev.Kind == event.ReallocEnter, ev.TID)
	case event.Munmap, event.MremapEnter:
		r.vm.ApplyLateUnmap(ev)
	case event.Exec:
		// What was born before is gone; there is no order to be kept with it.
		if p := r.procs[ev.PID]; p != nil {
			p.execs++
			if r.windowed {
				p.sample.Apply(&event.Event{Kind: ev.Kind})
			}
		}
		r.gap(ev.PID, ev.Time)
		r.follower.programChanged(ev.PID, execByThread)
	case event.Fork, event.Exit:
		r.applyLifecycle(ev)
	}
}

// Count has modules looked for that may have come or gone unseen.
func (r sink) Count(total probe.Counters) {
	before := r.counters
	r.counters = total
	if total.LostMmap == before.LostMmap && total.Spilled == before.Spilled {
		return
	}
	for pid := range r.procs {
		r.follower.modulesChanged(pid)
	}
}

// Drained drops, where frees were lost for good, what they may have freed.
func (r sink) Drained(gap uint64) {
	r.heap.Drained()
	r.gap(0, gap)
}

// CaughtUp does as Drained, and tells that nothing late will come from before the time.
func (r sink) CaughtUp(time, gap uint64) {
	r.gap(0, gap)
	r.heap.CaughtUp(time)
	r.vm.CaughtUp(time)
}

// gap drops what a process, or with 0 any, held at a time from which frees may be missing.
func (r sink) gap(pid uint32, time uint64) {
	if time != 0 {
		r.heap.Gap(pid, time)
		r.vm.Gap(pid, time)
	}
}

// Between keeps memory within its limits, and looks at processes now and then.
func (r sink) Between(caughtUp bool) error {
	if err := r.keepWithin(caughtUp); err != nil {
		return err
	}
	return r.lookAtProcesses()
}

// lookAtProcesses ends those that died without an event: killed between being
// looked up and being attached to.
func (r sink) lookAtProcesses() error {
	if time.Since(r.looked) < lookInterval {
		return nil
	}
	r.looked = time.Now()
	missed, err := r.probes.Missed()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missed = missed
	for _, p := range r.procs {
		if !p.exited && p.gone() {
			p.exited, p.endMono = true, now().mono
		}
	}
	return nil
}
