package tracer

import (
	"context"
	"errors"
	"fmt"
	"math"
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
	// empty; filling up, it wakes the reader (wake_bytes in bpf/state.h). After
	// idlePolls with few records, less than busyRate a second, they may wait for
	// idleInterval: waking up all the time takes some percent of a processor.
	pollInterval = 5 * time.Millisecond
	idlePolls    = 10
	idleInterval = 50 * time.Millisecond
	busyRate     = 10000
	// pauseInterval is that between windows: nothing waits for the few records then.
	// Those of a new program, and of the process's end, wake the reader.
	pauseInterval = 250 * time.Millisecond
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
	idle    int  // polls with few records
	more    bool // the ring has not been read to its end
	// behind is how many bytes of the ring were there when spills were last
	// drained and are still to be read; spillTime is when that was.
	behind    int
	spillTime uint64
	// consumed is how many bytes of the ring were read since the trace began.
	consumed   uint64
	forgetting forgetting
}

// readUntil reads until over says so or the ring fails.
func (r *ringReader) readUntil(over func() bool) error {
	var waiting chan struct{}
	for {
		if waiting == nil {
			waiting = r.takeSync()
		}
		caughtUp, err := r.readBatch(r.interval())
		if err != nil {
			return err
		}
		if err := r.drainSpills(); err != nil {
			return err
		}
		if err := r.keepWithin(caughtUp); err != nil {
			return err
		}
		if caughtUp && waiting != nil {
			close(waiting)
			waiting = nil
		}
		if err := r.lookAtProcesses(); err != nil {
			return err
		}
		// A stop that could wait for the ring to run dry might never come.
		if over() && (caughtUp || !r.allExited()) {
			return nil
		}
	}
}

// takeSync returns who waits for the reader to catch up with now, nil if nobody.
func (r *ringReader) takeSync() chan struct{} {
	select {
	case c := <-r.syncs:
		return c
	default:
		return nil
	}
}

// sync waits until the reader has applied what is in the ring now, or for so long.
func (t *Tracer) sync(ctx context.Context, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	c := make(chan struct{})
	t.waker.wake()
	select {
	case t.syncs <- c:
	case <-ctx.Done():
		return
	}
	select {
	case <-c:
	case <-ctx.Done():
	}
}

// interval is how long records may wait now.
func (r *ringReader) interval() time.Duration {
	r.mu.Lock()
	windowed := r.windowed
	r.mu.Unlock()
	switch {
	case r.cfg.GrowthOnly:
		return growthPollInterval
	case r.watching.Load() || r.idle < idlePolls:
		return pollInterval
	case windowed:
		return pauseInterval
	}
	return idleInterval
}

// catchUp applies what the ring holds now that the gate is shut.
func (r *ringReader) catchUp() error {
	if err := r.drainSpills(); err != nil {
		return err
	}
	for {
		if dry, err := r.readBatch(0); dry || err != nil {
			return err
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
	r.waker.wake()
	for !r.flushed {
		if _, err := r.readBatch(r.interval()); err != nil {
			return err
		}
	}
	return r.drainSpills()
}

// readBatch applies up to batch records. It returns true when the ring ran dry.
// It waits so long for the first.
func (r *ringReader) readBatch(wait time.Duration) (dry bool, err error) {
	if wait > 0 && !r.more && r.waker.wait(wait) {
		r.idle = 0
	}
	r.reader.SetDeadline(time.Now())
	ok, err := r.next()
	if !ok || err != nil {
		r.idle++
		r.more = false
		return true, err
	}
	r.more = true
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for ; ok && err == nil; n++ {
		if err := r.apply(); err != nil {
			return false, err
		}
		r.advance()
		if n >= batch {
			r.idle = 0
			return false, nil
		}
		if r.cfg.slowReader > 0 {
			time.Sleep(r.cfg.slowReader)
		}
		ok, err = r.next()
	}
	r.more = false
	if r.idle++; float64(n) >= busyRate*wait.Seconds() {
		r.idle = 0
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
	return nil
}

// applyBlock takes what concerns the blocks of allocation functions.
func (r *ringReader) applyBlock(ev *event.Event) {
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
func (r *ringReader) unmapsCode(ev *event.Event) bool {
	p := r.procs[ev.PID]
	if ev.Kind != event.Munmap && (ev.Kind != event.Mmap || ev.Arg>>32&unix.MAP_FIXED == 0) || p == nil {
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

// lookAtProcesses ends those that died without an event: killed between being
// looked up and being attached to.
func (r *ringReader) lookAtProcesses() error {
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
