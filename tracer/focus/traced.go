package focus

import (
	"time"

	"memtrace/tracer/book"
	"memtrace/tracer/probe"
	"memtrace/tracer/process"
)

// Of returns a Focus on one of the processes that are traced, nil where each of their calls is traced
// whatever that costs, or if the process has left.
func Of(pid uint32, kernel *probe.Set, group *process.Group, b *book.Book, maxOverhead float64, logf func(string, ...any)) *Focus {
	p := group.Of(pid)
	if p == nil || maxOverhead <= 0 {
		return nil
	}
	return New(Config{
		Target: p.Target(), Kernel: kernel, Windowed: func() bool { return b.Totals().Windowed },
		Rates: func() map[uint64]float64 { return b.Returns(pid) }, Origins: b.Origins(pid),
		Debugged: group.Debugged, CloseProbes: group.CloseProbes, Aside: process.Aside,
		MaxOverhead: maxOverhead, Price: price, Logf: logf,
	})
}

// price is what a probe costs that is met: what usual machines take for an instruction that the kernel
// single-steps, as nearly all are behind a call, and for the walk of a stack.
var price = max(probe.UsualPrices.Stepped.Alloc, time.Microsecond)
