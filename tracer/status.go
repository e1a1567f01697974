package tracer

// Status is how a trace is going.
type Status struct {
	// Events counts what was seen, Lost what could not be recorded.
	Events, Lost uint64
	// Bytes and Blocks are outstanding, of all processes and any age.
	Bytes, Blocks uint64
	// Room is how many bytes Config.MaxMemory and the blocks leave for memtrace's data.
	Room uint64
}

// Status returns a few figures, cheaply. It may be called from any goroutine.
func (t *Tracer) Status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, v := t.heap.Counters(0), t.vm.Counters(0)
	live := t.heap.Live().Plus(t.vm.Live())
	c := &t.counters
	return Status{
		Events: h.Alloc + h.Free + h.Realloc + v.Mmap + v.Munmap + v.Mremap + v.Brk + v.Mprotect,
		Lost:   c.LostAlloc + c.LostFree + c.LostMmap + c.LostThread + c.Stale,
		Bytes:  live.Bytes,
		Blocks: live.Blocks,
		Room:   t.cfg.room() + blockMemory*live.Blocks,
	}
}
