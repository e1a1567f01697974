package book

import (
	"memtrace/tracer/book/returned"
	"memtrace/tracer/event"
)

// Origins returns a lookup of who allocated the blocks of a process at some addresses.
func (b *Book) Origins(pid uint32) func(addresses []uint64) []Origin { return b.origins(pid) }

// addReturned takes a block that was seen where the call returned.
func (r *record) addReturned(ev *event.Event) {
	if r.returned == nil {
		r.returned = new(returned.Ledger)
	}
	r.returned.Add(ev)
}

// Returns says how often calls of allocation functions return to addresses of a process (calls a second)
// as far as windows have seen any. It is nil unless windows are watched and one has ended.
func (b *Book) Returns(pid uint32) map[uint64]float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.procs[pid]
	if !b.windowed || r == nil || r.sample == nil {
		return nil
	}
	_, watched := r.sample.Traced()
	if watched == 0 {
		return nil
	}
	rates := make(map[uint64]float64)
	r.sample.EachAllocated(func(id event.StackID, blocks uint64) {
		if frames, _ := b.stacks.Frames(id); len(frames) > 0 {
			rates[frames[0]] += float64(blocks) / float64(watched) * 1e9
		}
	})
	return rates
}
