package tracer

import (
	"math"

	"github.com/prometheus/procfs"
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
	proc, err := procfs.NewProc(int(pid))
	if err != nil {
		return
	}
	maps, err := proc.ProcMaps()
	if err != nil || len(maps) == 0 {
		return // it is about to end
	}
	gap := uint64(0)
	for _, m := range maps {
		t.vm.Unmapped(pid, gap, uint64(m.StartAddr), time)
		gap = uint64(m.EndAddr)
	}
	t.vm.Unmapped(pid, gap, math.MaxUint64, time)
}
