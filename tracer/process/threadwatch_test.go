package process

import (
	"testing"
	"time"

	"memtrace/tracer/book/heap"
)

// Each new thread is looked at twice, but only as long as that is cheap.
func TestThreadWatch(t *testing.T) {
	var fresh []heap.Thread
	looks := make(map[uint32]int)
	cost := time.Duration(0)
	w := &threadWatch{
		allowed: newAllowance(threadShare, followBurst),
		fresh: func() []heap.Thread {
			list := fresh
			fresh = nil
			return list
		},
		look: func(t heap.Thread) {
			looks[t.TID]++
			for start := time.Now(); time.Since(start) < cost; {
			}
		},
	}
	now := time.Now()
	fresh = []heap.Thread{{PID: 1, TID: 1}, {PID: 1, TID: 2}}
	w.poll(now)
	w.poll(now.Add(namedBy / 2))
	if looks[1] != 1 || looks[2] != 1 {
		t.Errorf("at first: %v", looks)
	}
	w.poll(now.Add(2 * namedBy))
	w.poll(now.Add(4 * namedBy))
	if looks[1] != 2 || looks[2] != 2 || len(w.waiting) != 0 {
		t.Errorf("in the end: %v, %d wait", looks, len(w.waiting))
	}

	const many = 4000
	for tid := range uint32(many) {
		fresh = append(fresh, heap.Thread{PID: 1, TID: 100 + tid})
	}
	cost = time.Millisecond // which makes 4 s
	w.poll(now)
	seen := len(looks) - 2
	if seen < threadBatch || seen > many/4 || looks[100] != 0 || looks[99+many] != 1 {
		t.Errorf("%d of %d were looked at, the oldest %d times, the newest %d", seen, many, looks[100], looks[99+many])
	}
	fresh = []heap.Thread{{PID: 1, TID: 50}}
	w.poll(now.Add(2 * namedBy))
	if len(looks)-2 != seen || looks[99+many] != 1 || len(w.waiting) != 0 {
		t.Errorf("there was time for more: %d, %d wait", len(looks)-2-seen, len(w.waiting))
	}
}
