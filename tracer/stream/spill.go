package stream

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"memtrace/bpf"
	"memtrace/tracer/event"
)

// spillReader takes entries out of the spill map (bpf/emit.h) in batches.
type spillReader struct {
	spills *ebpf.Map
	keys   []bpf.MemtraceSpillKey
	values []bpf.MemtraceSpill
}

// drain removes each entry and calls apply with the event that it stands for. Entries added
// meanwhile may be left for the next time.
func (s *spillReader) drain(apply func(*event.Event)) error {
	if s.keys == nil {
		s.grow(4096)
	}
	var cursor ebpf.MapBatchCursor
	for {
		n, err := s.spills.BatchLookupAndDelete(&cursor, s.keys, s.values, nil)
		if errors.Is(err, unix.ENOSPC) {
			// One bucket holds more than fits.
			s.grow(2 * len(s.keys))
			continue
		}
		for i := range n {
			e := spilledEvent(&s.keys[i], &s.values[i])
			apply(&e)
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("drain spilled events: %w", err)
		}
	}
}

func spilledEvent(key *bpf.MemtraceSpillKey, value *bpf.MemtraceSpill) event.Event {
	e := event.Event{
		// A range has a size, all else that has one in what is extra.
		Size: key.Size + event.SizeOf(event.Kind(key.Kind), value.Extra),
		Kind: event.Kind(key.Kind), PID: key.Tgid, TID: value.Tid, Time: value.Time,
		Addr: key.Addr,
	}
	if e.Kind == event.Free {
		e.Flags = event.Flags(key.Flags)
	} else {
		e.Arg = uint64(key.Flags) // of mremap(2)
	}
	return e
}

func (s *spillReader) grow(n int) {
	s.keys = make([]bpf.MemtraceSpillKey, n)
	s.values = make([]bpf.MemtraceSpill, n)
}
