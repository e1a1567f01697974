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

// These functions have the shape of malloc and free and carry the probes to be timed. Those that
// are called stepped begin with an instruction that the kernel single-steps. callProbedFree calls
// probedFree with something that could be a block. probedAddresses returns the addresses of the
// functions themselves: what Go knows by their names are wrappers.
func probedAlloc()
func probedAllocStepped()
func callProbedFree()
func callProbedFreeStepped()
func probedFree()
func probedFreeStepped()
func probedAddresses() (alloc, free, allocStepped, freeStepped uintptr)

var _, _ = probedFree, probedFreeStepped // called from assembly alone

// Costs is what probes cost the thread that meets them, per call.
type Costs struct {
	Alloc, Free time.Duration
}

// Prices are the costs by the kind of instruction that the probes sit on: one that the kernel
// emulates, or one that it single-steps.
type Prices struct{ Emulated, Stepped Costs }

// Of returns the costs of probes on allocation functions and on those that free, which the
// kernel steps or not.
func (p Prices) Of(allocStepped, freeStepped bool) Costs {
	costs := p.Emulated
	if allocStepped {
		costs.Alloc = p.Stepped.Alloc
	}
	if freeStepped {
		costs.Free = p.Stepped.Free
	}
	return costs
}

// UsualPrices are assumed where calibration is not possible.
var UsualPrices = Prices{
	Emulated: Costs{Alloc: 3 * time.Microsecond, Free: 1200 * time.Nanosecond},
	Stepped:  Costs{Alloc: 12 * time.Microsecond, Free: 10 * time.Microsecond},
}

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
func (s *Set) Calibrate(discard func() error) (Prices, error) {
	if s.options.RingSize < calibrationRing {
		return UsualPrices, nil
	}
	self := uint32(os.Getpid())
	if err := s.Trace(self); err != nil {
		return UsualPrices, err
	}
	// There are no tables of memtrace, and none will come: nobody is to send its stacks for later.
	if err := s.expectNoTables(self); err != nil {
		return UsualPrices, err
	}
	probes, err := s.attachSelf()
	if err != nil {
		// Not knowing what probes cost is no reason not to trace.
		s.options.Logf("what probes cost here is not known, but assumed: %v", err)
		return UsualPrices, s.Untrace(self)
	}
	prices, err := s.measureProbes()
	err = errors.Join(err, probes.Close(), s.Untrace(self), s.resetCounters(), discard())
	return prices, err
}

// attachSelf attaches the probes of malloc and free to functions of memtrace.
func (s *Set) attachSelf() (Links, error) {
	a, err := s.openUprobes("/proc/self/exe", os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("open memtrace's own program: %w", err)
	}
	var at [4]uint64
	var addresses [4]uintptr
	addresses[0], addresses[1], addresses[2], addresses[3] = probedAddresses()
	for i, address := range addresses {
		if at[i], err = fileOffset(address); err != nil {
			return nil, err
		}
	}
	f := functionsOf([]target.Probe{
		{Function: target.Malloc, Offset: at[0]},
		{Function: target.Malloc, Offset: at[2]},
		{Function: target.Release, Offset: at[1]},
		{Function: target.Release, Offset: at[3]},
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
func (s *Set) measureProbes() (Prices, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := s.SetGate(GateAllocs | GateFrees); err != nil {
		return UsualPrices, err
	}
	prices := fastest()
	err := s.SetGate(GateShut)
	// If the thread kept its state, it would pass for a traced one.
	thread := uint64(os.Getpid())<<32 | uint64(unix.Gettid())
	if e := s.objs.Threads.Delete(thread); e != nil && !errors.Is(e, ebpf.ErrKeyNotExist) {
		err = errors.Join(err, fmt.Errorf("forget memtrace's own thread: %w", e))
	}
	return prices, err
}

// fastest returns what the probes cost in the fastest round, since whatever else the machine
// does can only add to that.
func fastest() Prices {
	unknown := Costs{Alloc: math.MaxInt64, Free: math.MaxInt64}
	prices := Prices{unknown, unknown}
	for range calibrationRounds {
		for _, part := range []struct {
			least *time.Duration
			call  func()
		}{
			{&prices.Emulated.Alloc, probedAlloc},
			{&prices.Emulated.Free, callProbedFree},
			{&prices.Stepped.Alloc, probedAllocStepped},
			{&prices.Stepped.Free, callProbedFreeStepped},
		} {
			*part.least = min(*part.least, timed(part.call))
		}
		time.Sleep(calibrationPause)
	}
	return prices
}

// timed returns how much of the thread's processor time one call takes, on average: others may
// want the processor as well.
func timed(call func()) time.Duration {
	start := threadTime()
	for range calibrationCalls {
		call()
	}
	return (threadTime() - start) / calibrationCalls
}

// threadTime is the processor time of this thread.
func threadTime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) // cannot fail
	return time.Duration(ts.Nano())
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
