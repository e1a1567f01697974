package heap

import "memtrace/tracer/event"

// Origin returns the stack that allocated the block at an address, and when (ns); ok is false if no
// such block is known.
func (h *Heap) Origin(pid uint32, addr uint64) (stack event.StackID, time uint64, ok bool) {
	b, ok := h.blocks.get(pid, addr)
	if !ok || h.leftBehind(&b) {
		return 0, 0, false
	}
	return h.stacks.keys[b.origin.stack()].ID, b.time, true
}
