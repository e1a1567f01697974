package heap

import (
	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
	"memtrace/tracer/trend"
)

// stack is the sums of one call stack of one process. Always AllocatedBlocks = Blocks +
// those freed + DroppedBlocks + those inside realloc.
//
// It fills 320 bytes. A free touches the first cache line, and an allocation one more: with some
// thousand stacks, that is what Apply waits for.
type stack struct {
	// lifetimes are those of freed blocks, sizes those of allocated ones.
	lifetimes, sizes histogram
	// epoch says of which peak saved is what the stack held.
	epoch uint32
	// replaced: it has allocated nothing since its process executed another program.
	replaced bool
	live.Account
	saved  live.Sum
	counts *counts
	// freedNext counts the blocks that the next call of the thread that had allocated them freed,
	// without those that lived shortly, freedUnseen those that were freed at an unknown time.
	freedNext, freedUnseen uint64
}

// join adds a live block of size bytes at time now (ns).
func (s *stack) join(now, size uint64) {
	s.Grow(now, size)
	s.Blocks++
}

// leave removes a live block of size bytes at time now (ns).
func (s *stack) leave(now, size uint64) {
	s.Shrink(now, size)
	s.Blocks--
}

// cachedStacks is the size of the cache in front of the map of stacks, a power of two. Its 32
// KiB save most lookups in the map.
const cachedStacks = 1024

// stackBytes is what one stack takes in all fields of stacks together, without counts.
const stackBytes = 320 + 8 + 16 + 36

// stacks finds stacks by key and by index, and their keys by index.
type stacks struct {
	// all is nil at the free indices, whose stacks were given up.
	all   []*stack
	keys  []live.Key
	free  []uint32
	byKey map[live.Key]uint32
	cache [cachedStacks]cachedStack
	// counted is how many have counts.
	counted uint64
}

type cachedStack struct {
	key   live.Key
	index uint32
	stack *stack
}

func newStacks() stacks { return stacks{byKey: make(map[live.Key]uint32)} }

// at returns the stack with the given index.
func (ss *stacks) at(index uint32) *stack { return ss.all[index] }

// get returns the stack with the given key, a new one if need be.
func (ss *stacks) get(pid uint32, id event.StackID) (uint32, *stack) {
	key := live.Key{ID: id, PID: pid}
	// The ID is a hash, so its low bits spread well.
	c := &ss.cache[id%cachedStacks]
	if c.stack != nil && c.key == key {
		return c.index, c.stack
	}
	index, ok := ss.byKey[key]
	if !ok {
		index = ss.add(key)
	}
	*c = cachedStack{key, index, ss.all[index]}
	return index, c.stack
}

func (ss *stacks) add(key live.Key) uint32 {
	var index uint32
	if n := len(ss.free); n > 0 {
		index, ss.free = ss.free[n-1], ss.free[:n-1]
	} else {
		index = uint32(len(ss.all))
		ss.all, ss.keys = append(ss.all, nil), append(ss.keys, key)
	}
	ss.all[index], ss.keys[index] = new(stack), key
	ss.byKey[key] = index
	return index
}

// remove forgets a stack. The caller clears the cache of it.
func (ss *stacks) remove(index uint32) {
	delete(ss.byKey, ss.keys[index])
	if ss.all[index].counts != nil {
		ss.counted--
	}
	ss.all[index] = nil
	ss.free = append(ss.free, index)
}

// History returns what a stack held until now (ns), nil if it is not known.
func (h *Heap) History(key live.Key, now uint64) []trend.Sample {
	if index, ok := h.stacks.byKey[key]; ok {
		return h.stacks.at(index).History(now)
	}
	return nil
}
