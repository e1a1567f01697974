package tracer

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"memtrace/bpf"
	"memtrace/tracer/event"
)

// spillReader takes entries out of the spill map (bpf/emit.h), many at a time.
type spillReader struct {
	keys   []bpf.MemtraceSpillKey
	values []bpf.MemtraceSpill
}

// drain calls apply for each entry and removes it. Entries that are added
// meanwhile may be left for the next time.
func (s *spillReader) drain(m *ebpf.Map, apply func(*bpf.MemtraceSpillKey, *bpf.MemtraceSpill)) error {
	if s.keys == nil {
		s.grow(4096)
	}
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookupAndDelete(&cursor, s.keys, s.values, nil)
		if errors.Is(err, errNoSpace) {
			// One bucket holds more than fits.
			s.grow(2 * len(s.keys))
			continue
		}
		for i := range n {
			apply(&s.keys[i], &s.values[i])
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("drain spilled events: %w", err)
		}
	}
}

func (s *spillReader) grow(n int) {
	s.keys = make([]bpf.MemtraceSpillKey, n)
	s.values = make([]bpf.MemtraceSpill, n)
}

// applySpill puts one spilled event in its place by its time. The caller holds
// the lock.
func (r *ringReader) applySpill(key *bpf.MemtraceSpillKey, value *bpf.MemtraceSpill) {
	switch kind := event.Kind(key.Kind); kind {
	case event.Free, event.ReallocEnter:
		r.heap.ApplyLateFree(key.Tgid, key.Addr, value.Time, kind == event.ReallocEnter, value.Tid)
	case event.Munmap, event.MremapEnter:
		r.vm.ApplyLateUnmap(&event.Event{
			Kind: kind, PID: key.Tgid, TID: value.Tid, Time: value.Time,
			Addr: key.Addr, Size: key.Size, Arg: uint64(key.Flags),
		})
	case event.Exec:
		// What was born before is gone; there is no order to be kept with it.
		r.heap.Gap(key.Tgid, value.Time)
		r.vm.Gap(key.Tgid, value.Time)
		r.follower.programChanged(key.Tgid, execByThread)
	case event.Fork, event.Exit:
		r.applyLifecycle(&event.Event{Kind: kind, PID: key.Tgid, TID: value.Tid, Time: value.Time, Addr: key.Addr})
	}
}

// readCounters sums the counters of all CPUs.
func readCounters(m *ebpf.Map) (bpf.MemtraceCounters, error) {
	var each []bpf.MemtraceCounters
	var sum bpf.MemtraceCounters
	if err := m.Lookup(uint32(0), &each); err != nil {
		return sum, fmt.Errorf("read the loss counters: %w", err)
	}
	for i := range each {
		c := &each[i]
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
		sum.GapTime = max(sum.GapTime, c.GapTime)
	}
	return sum, nil
}

const errNoSpace = unix.ENOSPC
