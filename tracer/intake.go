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

func (s sink) Lock()   { s.mu.Lock() }
func (s sink) Unlock() { s.mu.Unlock() }

// Apply hands an event to whom it concerns.
func (s sink) Apply(ev *event.Event) {
	switch ev.Kind {
	case event.Stack:
		s.stacks.Add(ev.Stack, ev.Frames, ev.Flags&event.Truncated != 0)
		s.forgetting.sentAgain(ev.Stack)
	case event.Mmap, event.Munmap, event.MunmapFail, event.MremapEnter, event.Mremap, event.MremapFail, event.Brk, event.Mprotect:
		s.vm.Apply(ev)
		if p := s.procs[ev.PID]; p != nil {
			p.faults.follow(ev)
			if ev.Kind == event.Brk {
				p.malloc.grown(ev.Addr)
			}
		}
		if mayMapCode(ev) || s.unmapsCode(ev) {
			s.follower.mappingsChanged(ev.PID, addresses{ev.Addr, ev.Addr + ev.Size})
		}
	case event.Fault:
		if p := s.procs[ev.PID]; p != nil {
			p.faults.add(ev)
		}
	case event.Exec, event.Fork, event.Exit:
		s.applyLifecycle(ev)
	default:
		s.applyBlock(ev)
	}
	if s.cfg.slowReader > 0 {
		time.Sleep(s.cfg.slowReader)
	}
}

// applyBlock takes what concerns the blocks of allocation functions.
func (s sink) applyBlock(ev *event.Event) {
	switch {
	case ev.Kind != event.Free:
		if ev.Kind != event.ReallocEnter {
			s.seen.allocs++
		}
	case ev.Time >= s.seen.tail:
		s.seen.late++
	default:
		s.seen.frees++
	}
	if s.seen.allocs+s.seen.frees >= s.seen.alarm {
		s.seen.alarm = math.MaxUint64
		select {
		case s.alarm <- struct{}{}:
		default:
		}
	}
	if !s.windowed {
		s.heap.Apply(ev)
	} else if p := s.procs[ev.PID]; p != nil {
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
func (s sink) unmapsCode(ev *event.Event) bool {
	p := s.procs[ev.PID]
	if ev.Kind != event.Munmap && (ev.Kind != event.Mmap || ev.Arg>>32&unix.MAP_FIXED == 0) || p == nil {
		return false
	}
	return slices.ContainsFunc(p.modules, func(m target.Module) bool {
		return ev.Addr < m.End && m.Start < ev.Addr+ev.Size
	})
}

func (s sink) applyLifecycle(ev *event.Event) {
	p := s.procs[ev.PID]
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
		s.follower.programChanged(ev.PID, kind)
		p.faults.reset(int(ev.PID))
	case event.Exit:
		p.exited, p.endMono = true, ev.Time
		p.status = unix.WaitStatus(ev.Addr)
	}
	if s.windowed {
		p.sample.Apply(ev)
	} else {
		s.heap.Apply(ev)
	}
	s.vm.Apply(ev)
}

// ApplySpilled puts an event in its place by its time.
func (s sink) ApplySpilled(ev *event.Event) {
	switch ev.Kind {
	case event.Free, event.ReallocEnter:
		if s.windowed {
			if p := s.procs[ev.PID]; p != nil {
				p.sample.Free(ev.Addr, ev.Time)
			}
			return
		}
		s.heap.ApplyLateFree(ev.PID, ev.Addr, ev.Time, ev.Kind == event.ReallocEnter, ev.TID)
	case event.Munmap, event.MremapEnter:
		s.vm.ApplyLateUnmap(ev)
	case event.Exec:
		// What was born before is gone; there is no order to be kept with it.
		if p := s.procs[ev.PID]; p != nil {
			p.execs++
			if s.windowed {
				p.sample.Apply(&event.Event{Kind: ev.Kind})
			}
		}
		s.gap(ev.PID, ev.Time)
		s.follower.programChanged(ev.PID, execByThread)
	case event.Fork, event.Exit:
		s.applyLifecycle(ev)
	}
}

// Count has modules looked for that may have come or gone unseen.
func (s sink) Count(total probe.Counters) {
	before := s.counters
	s.counters = total
	if total.LostMmap == before.LostMmap && total.Spilled == before.Spilled {
		return
	}
	for pid := range s.procs {
		s.follower.modulesChanged(pid)
	}
}

// Drained drops, where frees were lost for good, what they may have freed.
func (s sink) Drained(gap uint64) {
	s.heap.Drained()
	s.gap(0, gap)
}

// CaughtUp does as Drained, and tells that nothing late will come from before the time.
func (s sink) CaughtUp(time, gap uint64) {
	s.gap(0, gap)
	s.heap.CaughtUp(time)
	s.vm.CaughtUp(time)
}

// gap drops what a process, or with 0 any, held at a time from which frees may be missing.
func (s sink) gap(pid uint32, time uint64) {
	if time != 0 {
		s.heap.Gap(pid, time)
		s.vm.Gap(pid, time)
	}
}

// Between keeps memory within its limits, and looks at processes now and then.
func (s sink) Between(caughtUp bool) error {
	if err := s.keepWithin(caughtUp); err != nil {
		return err
	}
	return s.lookAtProcesses()
}

// lookAtProcesses ends those that died without an event: killed between being
// looked up and being attached to.
func (s sink) lookAtProcesses() error {
	if time.Since(s.looked) < lookInterval {
		return nil
	}
	s.looked = time.Now()
	missed, err := s.probes.Missed()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missed = missed
	for _, p := range s.procs {
		if !p.exited && p.gone() {
			p.exited, p.endMono = true, now().mono
		}
	}
	return nil
}
