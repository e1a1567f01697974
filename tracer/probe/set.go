package probe

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"memtrace/bpf"
	"memtrace/tracer/event"
)

// Set is memtrace's programs and maps in the kernel.
type Set struct {
	Features
	options Options
	objs    objects
	// entries are the programs that go on the entries of functions.
	entries *entries
	// attached is where they are attached.
	attached *Attached
	// tableSpec and listSpec describe the maps inside unwind_tables and mappings.
	tableSpec, listSpec *ebpf.MapSpec
	// waiting counts what waits for the kernel beside its caller, on maps that are still needed.
	waiting sync.WaitGroup
	// generation is that of the probes, see bpf/state.h.
	generation uint32
}

// Gate is which of the calls that meet probes are reported: live in bpf/state.h.
type Gate uint32

// What passes a gate.
const (
	GateAllocs Gate = 1 << iota
	GateFrees
	GateCalls      // system calls that change an address space
	GateAll        = GateAllocs | GateFrees | GateCalls
	GateShut  Gate = 0
)

// SetGate opens or shuts the gate: only calls entered while it is open count.
func (s *Set) SetGate(open Gate) error {
	if err := s.objs.Live.Set(uint32(open)); err != nil {
		return fmt.Errorf("switch the probes: %w", err)
	}
	return nil
}

// NextGeneration makes the probes forget the calls in flight, whose returns were not seen.
func (s *Set) NextGeneration() error {
	s.generation++
	return s.objs.Generation.Set(s.generation)
}

// SetWindowed makes the programs report all system calls of an address space's growth with
// their stacks: without probes in place nothing tells which of them are the allocator's.
func (s *Set) SetWindowed() error { return s.objs.Windowed.Set(uint32(1)) }

// Trace makes the programs see a process.
func (s *Set) Trace(pid uint32) (err error) {
	if s.UnwindTables {
		err = s.objs.FreshCode.Put(pid, bpf.MemtraceFresh{})
	}
	if err == nil {
		err = s.objs.Targets.Put(pid, uint32(0))
	}
	if errors.Is(err, unix.E2BIG) {
		return fmt.Errorf("no room for process %d among those that are traced (%d at a time): trace fewer of them",
			pid, s.objs.Targets.MaxEntries())
	}
	if err != nil {
		return fmt.Errorf("tell the probes of process %d: %w", pid, err)
	}
	return nil
}

// expectNoTables has the programs end the walks of a process that is traced where they find no rules.
func (s *Set) expectNoTables(pid uint32) error {
	if err := s.objs.FreshCode.Delete(pid); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("expect no tables of process %d: %w", pid, err)
	}
	return nil
}

// CodeMapped counts the files that processes have mapped as code so far.
func (s *Set) CodeMapped() (n uint32, err error) {
	if err := s.objs.CodeMapped.Get(&n); err != nil {
		return 0, fmt.Errorf("read what code was mapped: %w", err)
	}
	return n, nil
}

// CodeLoaded says that the tables of the first so many files are loaded, as far as there are any.
// Walks go through their code from now on.
func (s *Set) CodeLoaded(n uint32) error {
	if err := s.objs.CodeLoaded.Set(n); err != nil {
		return fmt.Errorf("announce loaded tables: %w", err)
	}
	return nil
}

// Untrace makes the programs forget a process.
func (s *Set) Untrace(pid uint32) error {
	for _, m := range []*ebpf.Map{s.objs.Targets, s.objs.Mappings, s.objs.FreshCode} {
		if err := m.Delete(pid); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("make the probes forget process %d: %w", pid, err)
		}
	}
	return nil
}

// Missed counts the runs of the programs on system calls that the kernel skipped, because the
// program was running on that CPU and had been preempted there. Kernels before 5.12 do not
// say.
func (s *Set) Missed() (uint64, error) { return s.objs.missed() }

// Events is the ring buffer of what the programs report.
func (s *Set) Events() *ebpf.Map { return s.objs.Events }

// Spills is the map of what the ring had no room for and must not be lost.
func (s *Set) Spills() *ebpf.Map { return s.objs.Spills }

// Close frees everything. What is attached stays until it is closed.
func (s *Set) Close() error {
	s.waiting.Wait()
	return errors.Join(s.entries.Close(), s.objs.Close())
}

// Counters sums the counters of all CPUs.
func (s *Set) Counters() (event.Counters, error) {
	var each []bpf.MemtraceCounters
	var sum event.Counters
	if err := s.objs.Counts.Lookup(uint32(0), &each); err != nil {
		return sum, fmt.Errorf("read the loss counters: %w", err)
	}
	for i := range each {
		addCounters(&sum, &each[i])
	}
	return sum, nil
}

// addCounters adds the counters of a CPU.
func addCounters(sum *event.Counters, c *bpf.MemtraceCounters) {
	sum.LostAlloc += c.LostAlloc
	sum.LostAllocBytes += c.LostAllocBytes
	sum.LostFree += c.LostFree
	sum.LostStack += c.LostStack
	sum.LostMmap += c.LostMmap
	sum.LostThread += c.LostThread
	sum.Stale += c.Stale
	sum.Spilled += c.Spilled
	sum.CutNoRule += c.CutNoRule
	sum.CutBadRule += c.CutBadRule
	sum.CutBadStack += c.CutBadStack
	sum.CutDepth += c.CutDepth
	sum.LostFault += c.LostFault
	sum.HighSignalStack += c.HighSignalStack
	sum.GapTime = max(sum.GapTime, c.GapTime)
}

// resetCounters sets all counters to zero.
func (s *Set) resetCounters() error {
	none := make([]bpf.MemtraceCounters, ebpf.MustPossibleCPU())
	if err := s.objs.Counts.Put(uint32(0), none); err != nil {
		return fmt.Errorf("reset the counters: %w", err)
	}
	return nil
}
