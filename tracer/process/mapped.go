package process

import (
	"errors"
	"fmt"
	"strings"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/book/vm"
	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/process/target"
	"memtrace/tracer/region"
	"memtrace/tracer/region/proc"
)

// Mapped is what a growth ledger begins with. What a process maps between this reading and the
// moment its events are first taken, some milliseconds at most, is missed.
type Mapped struct {
	// Brk is the program break, 0 if there is none: its first change then tells where it was.
	Brk uint64
	// Anonymous are the anonymous mappings, in order of address.
	Anonymous []vm.Initial
}

// ReadMapped reads what a process has mapped now.
func ReadMapped(pid uint32) (mapped Mapped, err error) {
	err = eachMapping(pid, func(m *procmaps.Mapping) {
		if m.Inode == 0 && (m.Path == "" || m.Path == "[heap]" || strings.HasPrefix(m.Path, "[anon")) {
			mapped.Anonymous = append(mapped.Anonymous, vm.Initial{Start: m.Start, End: m.End, Reserved: m.Perms.None()})
		}
	})
	if errors.Is(err, region.ErrGone) {
		return Mapped{}, fmt.Errorf("process %d: %w", pid, target.ErrNoProcess)
	}
	if err != nil {
		return Mapped{}, err
	}
	r, _ := ptmalloc.ReadBrkRange(int(pid))
	mapped.Brk = r.End
	return mapped, nil
}

// EachUnmapped calls f with the address ranges [start, end) that a process has not mapped. It
// calls f with none if that cannot be told.
func EachUnmapped(pid uint32, f func(start, end uint64)) {
	type gap struct{ start, end uint64 }
	var gaps []gap
	end := uint64(0)
	err := eachMapping(pid, func(m *procmaps.Mapping) {
		gaps = append(gaps, gap{end, m.Start})
		end = m.End
	})
	if err != nil || len(gaps) == 0 {
		return // it is about to end
	}
	for _, g := range append(gaps, gap{end, ^uint64(0)}) {
		f(g.start, g.end)
	}
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
