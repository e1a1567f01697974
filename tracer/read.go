package tracer

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"memtrace/tracer/event"
	"memtrace/tracer/target"
)

const (
	// pollInterval is how long records may wait in the ring while it is nearly
	// empty; filling up, it wakes the reader (wake_bytes in bpf/state.h).
	pollInterval = 5 * time.Millisecond
	// growthPollInterval is that in growth mode, whose records are few.
	growthPollInterval = 50 * time.Millisecond
	// batch is how many records are applied between looks at the clock, the
	// counters and the processes.
	batch = 4096
	// lookInterval is how often processes are looked at for a death that no
	// event told of.
	lookInterval = 250 * time.Millisecond
)

// ringReader moves events from the ring to the aggregators.
type ringReader struct {
	*Tracer
	record  ringbuf.Record
	event   event.Event
	spills  spillReader
	looked  time.Time
	flushed bool
	// behind is how many bytes of the ring were there when spills were last
	// drained and are still to be read; spillTime is when that was.
	behind    int
	spillTime uint64
}

// readUntil reads until over says so or the ring fails.
func (r *ringReader) readUntil(over func() bool) error {
	for {
		caughtUp, err := r.readBatch()
		if err != nil {
			return err
		}
		if err := r.drainSpills(); err != nil {
			return err
		}
		r.lookAtProcesses()
		// A stop that could wait for the ring to run dry might never come.
		if over() && (caughtUp || !r.allExited()) {
			return nil
		}
	}
}

// drain reads what is left after every probe is gone.
func (r *ringReader) drain() error {
	if err := r.drainSpills(); err != nil {
		return err
	}
	if err := r.reader.Flush(); err != nil {
		return fmt.Errorf("flush the ring buffer: %w", err)
	}
	for !r.flushed {
		if _, err := r.readBatch(); err != nil {
			return err
		}
	}
	return r.drainSpills()
}

// readBatch applies up to batch records. It returns true when the ring ran dry.
func (r *ringReader) readBatch() (dry bool, err error) {
	wait := pollInterval
	if r.cfg.GrowthOnly {
		wait = growthPollInterval
	}
	r.reader.SetDeadline(time.Now().Add(wait))
	// The first record is waited for without the lock.
	ok, err := r.next()
	if !ok || err != nil {
		return true, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := 0; ok && err == nil; n++ {
		if err := r.apply(); err != nil {
			return false, err
		}
		r.advance()
		if n >= batch {
			return false, nil
		}
		if r.cfg.slowReader > 0 {
			time.Sleep(r.cfg.slowReader)
		}
		ok, err = r.next()
	}
	return true, err
}

// next reads one record; false when there is none at the moment.
func (r *ringReader) next() (bool, error) {
	err := r.reader.ReadInto(&r.record)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, ringbuf.ErrFlushed):
		r.flushed = true
		return false, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false, nil
	}
	return false, fmt.Errorf("read the ring buffer: %w", err)
}

// apply hands the record to whom it concerns.
func (r *ringReader) apply() error {
	ev := &r.event
	if err := event.Decode(r.record.RawSample, ev); err != nil {
		return err
	}
	switch ev.Kind {
	case event.Stack:
		if _, ok := r.stacks[ev.Stack]; !ok {
			r.stacks[ev.Stack] = stack{slices.Clone(ev.Frames), ev.Flags&event.Truncated != 0}
		}
	case event.Mmap, event.Munmap, event.MunmapFail, event.MremapEnter, event.Mremap, event.MremapFail, event.Brk, event.Mprotect:
		r.vm.Apply(ev)
		if p := r.procs[ev.PID]; p != nil {
			p.faults.follow(ev)
			if ev.Kind == event.Brk {
				p.malloc.grown(ev.Addr)
			}
		}
		if mayMapCode(ev) || r.unmapsCode(ev) {
			r.follower.modulesChanged(ev.PID)
		}
	case event.Fault:
		if p := r.procs[ev.PID]; p != nil {
			p.faults.add(ev)
		}
	case event.Exec, event.Fork, event.Exit:
		r.applyLifecycle(ev)
	default:
		r.heap.Apply(ev)
	}
	return nil
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

// unmapsCode reports whether an event takes a module away.
func (r *ringReader) unmapsCode(ev *event.Event) bool {
	p := r.procs[ev.PID]
	if ev.Kind != event.Munmap || p == nil {
		return false
	}
	return slices.ContainsFunc(p.modules, func(m target.Module) bool {
		return ev.Addr < m.End && m.Start < ev.Addr+ev.Size
	})
}

func (r *ringReader) applyLifecycle(ev *event.Event) {
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
		r.follower.programChanged(ev.PID, kind)
		p.faults.reset(int(ev.PID))
	case event.Exit:
		p.exited, p.endMono = true, ev.Time
	}
	r.heap.Apply(ev)
	r.vm.Apply(ev)
}

// advance notes that the reader has come closer to where the ring stood when
// spills were drained.
func (r *ringReader) advance() {
	if r.behind <= 0 {
		return
	}
	const ringHeader = 8 // BPF_RINGBUF_HDR_SZ; records are padded to 8 bytes
	r.behind -= ringHeader + (len(r.record.RawSample)+7)&^7
	if r.behind <= 0 {
		r.caughtUp()
	}
}

func (r *ringReader) caughtUp() {
	r.applyGap()
	r.heap.CaughtUp(r.spillTime)
	r.vm.CaughtUp(r.spillTime)
}

// applyGap drops, where frees were lost for good, what they may have freed.
func (r *ringReader) applyGap() {
	if gap := r.counters.GapTime; gap != 0 {
		r.heap.Gap(0, gap)
		r.vm.Gap(0, gap)
	}
}

// drainSpills applies what left the live set while the ring was full, and
// reads the counters.
func (r *ringReader) drainSpills() error {
	total, err := readCounters(r.progs.objs.Counts)
	if err != nil {
		return err
	}
	missed, err := r.progs.objs.missed()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.counters
	r.counters, r.missed = total, missed
	if total.LostMmap != before.LostMmap || total.Spilled != before.Spilled {
		// A module may have come or gone unseen.
		for pid := range r.procs {
			r.follower.modulesChanged(pid)
		}
	}
	if total.Spilled == before.Spilled && total.GapTime == before.GapTime {
		return nil
	}
	drained := now().mono
	if err := r.spills.drain(r.progs.objs.Spills, r.applySpill); err != nil {
		return err
	}
	r.applyGap()
	// One mark at a time: under a load that never ends a moving one would never
	// be reached.
	if r.behind <= 0 {
		r.spillTime = drained
		if r.behind = r.reader.AvailableBytes(); r.behind == 0 {
			r.caughtUp()
		}
	}
	return nil
}

// lookAtProcesses ends those that died without an event: killed between being
// looked up and being attached to.
func (r *ringReader) lookAtProcesses() {
	if time.Since(r.looked) < lookInterval {
		return
	}
	r.looked = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.procs {
		if !p.exited {
			p.malloc.poll(now().mono)
		}
		if !p.exited && p.gone() {
			p.exited, p.endMono = true, now().mono
		}
	}
}
