package tracer

// Status is how a trace is going.
type Status struct {
	// Events counts what was seen, Lost what could not be recorded.
	Events, Lost uint64
	// Bytes and Blocks are outstanding, of all processes and any age.
	Bytes, Blocks uint64
	// Room is how many bytes memtrace's data may take: what Config.MaxMemory leaves, and what
	// live blocks add.
	Room uint64
}

// Status returns a few figures. It is cheap, and may be called from any goroutine.
func (t *Tracer) Status() Status {
	all := t.book.Totals()
	room := t.cfg.room() + blockMemory*all.Live.Blocks
	return Status{Events: all.Events, Lost: all.Lost, Bytes: all.Live.Bytes, Blocks: all.Live.Blocks, Room: room}
}
