package probe

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"memtrace/tracer/event"
)

// Unsend makes the programs send these stacks again when they next meet them. It deletes the
// stacks from the map of those already sent. A walk that found its stack there may still be
// remembered: see Tables.Announce.
func (s *Set) Unsend(ids map[event.StackID]struct{}) error {
	sent := s.objs.SentStacks
	var cursor ebpf.MapBatchCursor
	var found []uint64
	keys, values := make([]uint64, 4096), make([]uint8, 4096)
	for done := false; !done; {
		n, err := sent.BatchLookup(&cursor, keys, values, nil)
		switch {
		case errors.Is(err, unix.ENOSPC): // one bucket holds more than fits
			keys, values = make([]uint64, 2*len(keys)), make([]uint8, 2*len(keys))
			continue
		case errors.Is(err, ebpf.ErrKeyNotExist):
			done = true
		case err != nil:
			return fmt.Errorf("read which stacks were sent: %w", err)
		}
		for _, key := range keys[:n] {
			if _, ok := ids[event.StackID(key)]; ok {
				found = append(found, key)
			}
		}
	}
	for len(found) > 0 {
		n, err := sent.BatchDelete(found, nil)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			n++ // it was evicted meanwhile
		} else if err != nil {
			return fmt.Errorf("forget which stacks were sent: %w", err)
		}
		found = found[min(n, len(found)):]
	}
	return nil
}
