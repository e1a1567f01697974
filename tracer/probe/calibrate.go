package probe

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/process/target"
)

// These functions have the shape of malloc and free and carry the probes to be timed.
// callProbedFree calls probedFree with something that could be a block. probedAddresses
// returns the addresses of the functions themselves: what Go knows by their names are
// wrappers.
func probedAlloc()
func callProbedFree()
func probedFree()
func probedAddresses() (alloc, free uintptr)

var _ = probedFree // called from assembly alone

// Costs is what probes cost the thread that meets them, per call.
type Costs struct {
	Alloc, Free time.Duration
}

// UsualCosts are assumed where calibration is not possible.
var UsualCosts = Costs{Alloc: 3 * time.Microsecond, Free: 1200 * time.Nanosecond}

const (
	// Calls are timed in rounds with pauses between them, so that a moment in which the
	// machine is busy with something else does not slow all of them down.
	calibrationRounds = 10
	calibrationCalls  = 20 // in a round
	calibrationPause  = 3 * time.Millisecond
	// calibrationRing is the smallest ring, in bytes, that holds what calibration sends.
	calibrationRing = 128 << 10
)

// Calibrate measures what the probes cost on this machine by tracing memtrace itself for a
// moment. Call it before anything else is traced, since it throws away everything reported
// meanwhile; discard empties the ring.
func (s *Set) Calibrate(discard func() error) (Costs, error) {
	if s.options.RingSize < calibrationRing {
		return UsualCosts, nil
	}
	self := uint32(os.Getpid())
	if err := s.Trace(self); err != nil {
		return UsualCosts, err
	}
	probes, err := s.attachSelf()
	if err != nil {
		// Not knowing what probes cost is no reason not to trace.
		s.options.Logf("what probes cost here is not known, but assumed: %v", err)
		return UsualCosts, s.objs.Targets.Delete(self)
	}
	costs, err := s.measureProbes()
	err = errors.Join(err, probes.Close(), s.objs.Targets.Delete(self), s.resetCounters(), discard())
	return costs, err
}

// attachSelf attaches the probes of malloc and free to functions of memtrace.
func (s *Set) attachSelf() (Links, error) {
	a, err := s.openUprobes("/proc/self/exe", os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("open memtrace's own program: %w", err)
	}
	allocAt, freeAt := probedAddresses()
	alloc, err := fileOffset(allocAt)
	if err != nil {
		return nil, err
	}
	free, err := fileOffset(freeAt)
	if err != nil {
		return nil, err
	}
	f := functionsOf([]target.Probe{
		{Function: target.Malloc, Offset: alloc},
		{Function: target.Release, Offset: free},
	})
	err = s.entries.load(f.entries)
	if err != nil {
		return nil, err
	}
	err = errors.Join(s.attachEntries(&a, f, target.Free), s.attachCalls(&a, f), s.attachEntries(&a, f, target.Alloc))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("probe memtrace itself: %w", err), a.links.Close())
	}
	return a.links, nil
}

// measureProbes calls the probed functions with the gate open.
func (s *Set) measureProbes() (Costs, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := s.SetGate(GateAllocs | GateFrees); err != nil {
		return UsualCosts, err
	}
	costs := fastest()
	err := s.SetGate(GateShut)
	// If the thread kept its state, it would pass for a traced one.
	thread := uint64(os.Getpid())<<32 | uint64(unix.Gettid())
	if e := s.objs.Threads.Delete(thread); e != nil && !errors.Is(e, ebpf.ErrKeyNotExist) {
		err = errors.Join(err, fmt.Errorf("forget memtrace's own thread: %w", e))
	}
	return costs, err
}

// fastest returns what the probes cost in the fastest round, since whatever else the machine
// does can only add to that.
func fastest() Costs {
	costs := Costs{Alloc: math.MaxInt64, Free: math.MaxInt64}
	for range calibrationRounds {
		costs.Alloc = min(costs.Alloc, timed(probedAlloc))
		costs.Free = min(costs.Free, timed(callProbedFree))
		time.Sleep(calibrationPause)
	}
	return costs
}

// timed returns how long one call takes, on average.
func timed(call func()) time.Duration {
	start := time.Now()
	for range calibrationCalls {
		call()
	}
	return time.Since(start) / calibrationCalls
}

// fileOffset returns where in memtrace's own program file the code at an address is.
func fileOffset(address uintptr) (uint64, error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return 0, err
	}
	defer func() { _ = maps.Close() }() // only read
	var offset uint64
	found := false
	_, err = new(procmaps.Scanner).Scan(maps, func(m *procmaps.Mapping) {
		if m.Start <= uint64(address) && uint64(address) < m.End {
			offset, found = uint64(address)-m.Start+m.Offset, true
		}
	})
	if !found {
		return 0, errors.Join(fmt.Errorf("no mapping of memtrace holds %#x", address), err)
	}
	return offset, nil
}
