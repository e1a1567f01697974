package tracer

import (
	"testing"

	"memtrace/tracer/testprog"
)

// When memtrace is killed the kernel takes the anchor away last.
func TestAnchorIsLast(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "busy")
	tr, err := Open(Config{PIDs: []int{p.PID()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	}()
	traced := tr.procs[uint32(p.PID())]
	if len(traced.anchor.last) == 0 || len(traced.links) == 0 {
		t.Fatalf("%d descriptors of the anchor, %d other probes", len(traced.anchor.last), len(traced.links))
	}
	for _, l := range traced.links {
		for _, last := range traced.anchor.last {
			if fd := l.(interface{ FD() int }).FD(); fd > last {
				t.Errorf("descriptor %d of a probe is closed after %d, the anchor's", fd, last)
			}
		}
	}
}
