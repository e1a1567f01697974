package process

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/book/vm"
	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/process/target"
	"memtrace/tracer/region"
	"memtrace/tracer/region/proc"
)

// ReadMapped reads what a process has mapped now. What it maps between this reading and the
// moment its events are first taken, some milliseconds at most, is missed.
func ReadMapped(pid uint32) (mapped vm.Mapped, err error) {
	err = eachMapping(pid, func(m *procmaps.Mapping) {
		if m.Inode == 0 && (m.Path == "" || m.Path == "[heap]" || strings.HasPrefix(m.Path, "[anon")) {
			mapped.Anonymous = append(mapped.Anonymous, vm.Initial{Start: m.Start, End: m.End, Reserved: m.Perms.None()})
		}
	})
	if errors.Is(err, region.ErrGone) {
		return vm.Mapped{}, fmt.Errorf("process %d: %w", pid, target.ErrNoProcess)
	}
	if err != nil {
		return vm.Mapped{}, err
	}
	r, _ := ptmalloc.ReadBrkRange(int(pid))
	mapped.Brk = r.End
	return mapped, nil
}

// ReadUnmapped returns what a process has not mapped now, in order of address. It returns none
// if that cannot be told.
func ReadUnmapped(pid uint32) (gaps []vm.Gap) {
	end := uint64(0)
	err := eachMapping(pid, func(m *procmaps.Mapping) {
		gaps = append(gaps, vm.Gap{Start: end, End: m.Start})
		end = m.End
	})
	if err != nil || len(gaps) == 0 {
		return nil // it is about to end
	}
	return append(gaps, vm.Gap{Start: end, End: math.MaxUint64})
}

func eachMapping(pid uint32, f func(*procmaps.Mapping)) error {
	source, err := proc.Open(int(pid))
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // it was only read
	if err := source.Maps(f); err != nil {
		return fmt.Errorf("read the mappings of process %d: %w", pid, err)
	}
	return nil
}
