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
		if r.windowed {
			if p := r.procs[key.Tgid]; p != nil {
				p.sample.Free(key.Addr, value.Time)
			}
			return
		}
		r.heap.ApplyLateFree(key.Tgid, key.Addr, value.Time, kind == event.ReallocEnter, value.Tid)
	case event.Munmap, event.MremapEnter:
		r.vm.ApplyLateUnmap(&event.Event{
			Kind: kind, PID: key.Tgid, TID: value.Tid, Time: value.Time,
			Addr: key.Addr, Size: key.Size, Arg: uint64(key.Flags),
		})
	case event.Exec:
		// What was born before is gone; there is no order to be kept with it.
		if p := r.procs[key.Tgid]; p != nil {
			p.execs++
			if r.windowed {
				p.sample.Apply(&event.Event{Kind: kind})
			}
		}
		r.heap.Gap(key.Tgid, value.Time)
		r.vm.Gap(key.Tgid, value.Time)
		r.follower.programChanged(key.Tgid, execByThread)
	case event.Fork, event.Exit:
		r.applyLifecycle(&event.Event{Kind: kind, PID: key.Tgid, TID: value.Tid, Time: value.Time, Addr: key.Addr})
	}
}

const errNoSpace = unix.ENOSPC

// advance notes that the reader has read another record, and come closer to where the
// ring stood when spills were drained.
func (r *ringReader) advance() {
	const ringHeader = 8 // BPF_RINGBUF_HDR_SZ; records are padded to 8 bytes
	size := ringHeader + (len(r.record.RawSample)+7)&^7
	r.consumed += uint64(size)
	if r.behind <= 0 {
		return
	}
	r.behind -= size
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
	total, err := r.probes.Counters()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.counters
	r.counters = total
	if total.LostMmap != before.LostMmap || total.Spilled != before.Spilled {
		// A module may have come or gone unseen.
		for pid := range r.procs {
			r.follower.modulesChanged(pid)
		}
	}
	if total.Spilled == before.Spilled && total.GapTime == before.GapTime {
		r.heap.Drained()
		return nil
	}
	drained := now().mono
	if err := r.spills.drain(r.probes.Spills(), r.applySpill); err != nil {
		return err
	}
	r.heap.Drained()
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
