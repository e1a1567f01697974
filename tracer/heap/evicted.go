package heap

// evictions are blocks whose address was handed out again although no free of them had
// been seen: theirs may be among the late frees yet.
type evictions struct {
	blocks uint64
	// since is when the first of them was allocated, ns.
	since uint64
}

// evict counts b, whose address another block has taken.
func (h *Heap) evict(p *process, b *block) {
	p.counters.Evicted++
	a := address{b.addr, b.pid}
	e, ok := h.evicted[a]
	if !ok || b.time < e.since {
		e.since = b.time
	}
	e.blocks++
	h.evicted[a] = e
}

// explain takes back what was counted of an address, of which a free at time t (ns) has
// come late. There is one late free an address: it may stand for earlier ones.
func (h *Heap) explain(p *process, a address, t uint64) {
	if len(h.evicted) == 0 {
		return
	}
	if e, ok := h.evicted[a]; ok && e.since <= t {
		p.counters.Evicted -= e.blocks
		delete(h.evicted, a)
	}
}

// Drained says that the late frees of all blocks which Apply was told of have been
// applied, if their addresses were handed out again. It is to be called after each
// drain of the side map.
func (h *Heap) Drained() { clear(h.evicted) }
