package book

import (
	"slices"

	"memtrace/tracer/event"
)

// Origin is where the block at an address comes from.
type Origin struct {
	// Stack allocated it, 0 if that is not known.
	Stack event.StackID
	// Time is when (ns).
	Time uint64
	// Sampled: a window saw the allocation of Size bytes, and no later look of its own that the block
	// was freed, which may have been missed. Active: its content has changed since.
	Sampled, Active bool
	// Returned: no window saw it, but a probe where the call returned, and none that the address was
	// given to another since. Size is what the program can use, and Times how many blocks of that size
	// the stack was seen to be given.
	Returned bool
	Times    uint64
	// Mapped: a mapping begins where the block would if that were a mapping of its own, with room for
	// Size bytes. It may as well be one that a heap grew by.
	Mapped bool
	Size   uint64
}

// originsAtOnce is how many blocks are looked up while the lock is held.
const originsAtOnce = 1 << 10

// origins returns a lookup of who allocated the blocks of a process at some addresses. The lookup takes
// the lock, for moments.
func (b *Book) origins(pid uint32) func(addresses []uint64) []Origin {
	return func(addresses []uint64) []Origin {
		list := make([]Origin, 0, len(addresses))
		for some := range slices.Chunk(addresses, originsAtOnce) {
			b.mu.Lock()
			for _, addr := range some {
				list = append(list, b.origin(pid, addr))
			}
			b.mu.Unlock()
		}
		return list
	}
}

// origin looks up one block. In windows, what is mapped is seen all the time: blocks that are mappings
// of their own have the stack of the system call.
func (b *Book) origin(pid uint32, addr uint64) (o Origin) {
	r := b.procs[pid]
	switch {
	case r == nil:
		return Origin{}
	case !b.windowed:
		o.Stack, o.Time, _ = b.heap.Origin(pid, addr)
		return o
	case r.sample != nil:
		s, ok := r.sample.Origin(addr)
		if last, seen := r.returned.At(addr); seen && (!ok || last.Time >= s.Born) {
			return Origin{Stack: last.Stack, Time: last.Time, Size: last.Size, Returned: true, Times: last.Times}
		}
		if ok {
			return Origin{Stack: s.Stack, Time: s.Born, Sampled: true, Active: s.Active, Size: s.Size}
		}
	}
	const header = 16 // of a chunk of glibc's malloc, before the block
	if stack, time, size := b.vm.At(pid, addr-header); stack != 0 {
		return Origin{Stack: stack, Time: time, Mapped: true, Size: size - min(header, size)}
	}
	return o
}
