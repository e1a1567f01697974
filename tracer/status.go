package tracer

import "memtrace/tracer/book"

// Status is how a trace is going, over all processes.
type Status struct {
	book.Totals
	// Resident is by how many bytes resident memory has grown.
	Resident int64
	// Room is how many bytes memtrace's data may take: what Config.MaxMemory leaves, and what
	// live blocks add.
	Room uint64
}

// Status returns a few figures. It is cheap, and may be called from any goroutine.
func (t *Tracer) Status() Status {
	all := t.book.Totals()
	all.Live.Bytes -= min(t.processes.Reserved(), all.Live.Bytes)
	return Status{Totals: all, Resident: t.processes.ResidentGrowth(), Room: t.cfg.room() + blockMemory*all.Live.Blocks}
}
