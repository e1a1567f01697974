package census

import (
	"os/exec"
	"sort"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// TestMapped looks at a program most of whose blocks have mappings of their own, which lie behind one
// another, behind stacks and behind other memory.
func TestMapped(t *testing.T) {
	l := runLedger(t, exec.Command(testprog.PathIn(t, "testdata", "mapped"), "20000"))
	w := open(t, l.PID())
	for range 2 { // the second time it knows where they are
		c := w.mustLook(t)
		var mapped, want []Block
		for _, b := range all(c) {
			if c.heapOf(b.Addr).block.Addr != 0 {
				mapped = append(mapped, b)
			}
		}
		for _, b := range l.blocks {
			if c.heapOf(b.Addr).block.Addr != 0 {
				want = append(want, b)
			}
		}
		if text := differences(mapped, want); text != "" || c.Totals.Mapped != c.Totals.MappedKnown || len(want) < 15000 || len(c.Skipped) > 0 {
			t.Errorf("%d mapped blocks of %d: %+v, skipped %v:%s", len(mapped), len(want), c.Totals, c.Skipped, text)
		}
		t.Logf("%v", c.End.Sub(c.Start))
	}
}

// heapOf returns what holds an address, an empty heap if nothing does.
func (c *Census) heapOf(addr uint64) heap {
	i := sort.Search(len(c.heaps), func(i int) bool { return c.heaps[i].End > addr })
	if i < len(c.heaps) && c.heaps[i].Contains(addr) {
		return c.heaps[i]
	}
	return heap{}
}
