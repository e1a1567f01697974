package census

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// TestForkedStaysShared looks at a parent and its child, which share the pages of their heaps.
func TestForkedStaysShared(t *testing.T) {
	p := testprog.Command(t, exec.Command(testprog.PathIn(t, "testdata", "forked")))
	var child int
	if n, _ := fmt.Sscanf(p.Line(), "child %d", &child); n != 1 {
		t.Fatal("the program does not say who its child is")
	}
	time.Sleep(10 * time.Millisecond) // until both sleep
	for _, pid := range []int{child, p.PID()} {
		before := rollup(t, pid)
		w := open(t, pid)
		c := w.mustLook(t)
		if err := w.Scan(c, func(int, uint64, []byte) {}); err != nil {
			t.Fatal(err)
		}
		if after := rollup(t, pid); after != before || c.Totals.InUse.Chunks != 200000 {
			t.Errorf("%+v; before: %v\nafter: %v", c.Totals, before, after)
		}
	}
}
