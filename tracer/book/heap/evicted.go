package heap

// evictions are blocks at one address that was handed out again before a free of them was
// seen. Their frees may still be among the late ones.
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

// explain takes back the evictions at an address whose late free, at time t (ns), has come.
// There is only one late free per address, so it may stand for earlier ones. It reports whether
// there were any.
func (h *Heap) explain(p *process, a address, t uint64) bool {
	if len(h.evicted) == 0 {
		return false
	}
	e, ok := h.evicted[a]
	if !ok || e.since > t {
		return false
	}
	p.counters.Evicted -= e.blocks
	delete(h.evicted, a)
	return true
}

// Drained says that late frees have been applied for every block whose address Apply has seen
// handed out again. Call it after each drain of the side map.
func (h *Heap) Drained() { clear(h.evicted) }
