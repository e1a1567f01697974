package tracer

import (
	"math"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/region/proc"
)

// forgetUnmapped takes out of the ledger what a process has not mapped any more.
// Where the kernel lets tracepoint programs preempt one another it leaves out some
// of their runs, and an munmap that was not seen would show as a leak. The caller
// holds the lock.
func (t *Tracer) forgetUnmapped(pid uint32) {
	if t.missed == 0 {
		return
	}
	// Mappings made from here on need not be in what is read.
	time := now().mono
	source, err := proc.Open(int(pid))
	if err != nil {
		return
	}
	defer func() { _ = source.Close() }() // it was only read
	type gap struct{ start, end uint64 }
	var gaps []gap
	end := uint64(0)
	err = source.Maps(func(m *procmaps.Mapping) {
		gaps = append(gaps, gap{end, m.Start})
		end = m.End
	})
	if err != nil || len(gaps) == 0 {
		return // it is about to end
	}
	for _, g := range append(gaps, gap{end, math.MaxUint64}) {
		t.vm.Unmapped(pid, g.start, g.end, time)
	}
}
