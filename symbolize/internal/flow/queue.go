package flow

// edge is a path to an address that was not followed yet.
type edge struct {
	to    uint64
	frame Frame
	rank  int32
}

// push adds an edge to the queue, a binary heap with the lowest rank on top.
func (a *analysis) push(e edge) {
	if k := a.known[e.to]; k != nil && (k.rank < e.rank || k.rank == e.rank && k.Frame == e.frame) {
		return
	}
	if len(a.queue) >= mostEdges {
		return
	}
	q := append(a.queue, e)
	for i := len(q) - 1; i > 0; {
		parent := (i - 1) / 2
		if q[parent].rank <= q[i].rank {
			break
		}
		q[parent], q[i] = q[i], q[parent]
		i = parent
	}
	a.queue = q
}

func (a *analysis) pop() edge {
	q := a.queue
	top, last := q[0], len(q)-1
	q[0] = q[last]
	q = q[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if q[child].rank < q[least].rank {
				least = child
			}
		}
		if least == i {
			break
		}
		q[least], q[i] = q[i], q[least]
		i = least
	}
	a.queue = q
	return top
}
