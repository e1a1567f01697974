package census

import (
	"os/exec"
	"sort"
	"testing"

	"memtrace/tracer/process/ptmalloc"
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

// Pieces of the main arena that were not found are said to be.
func TestPiecesMissing(t *testing.T) {
	s := &ptmalloc.Survey{Arenas: []ptmalloc.ArenaPlace{{SystemBytes: 5000}}}
	for found, want := range map[uint64]uint64{0: 3000, 1000: 2000, 3000: 0, 4000: 0} {
		l := &look{Census: &Census{}, s: s, walk: &walk{caches: unmarked()}, main: Range{1000, 3000}}
		l.maps = mappings{pieces: true, found: []mapped{{Range: Range{1 << 20, 1<<20 + found}}}}
		l.finish(s)
		var missing uint64
		for _, k := range l.Skipped {
			missing += k.End - k.Start
		}
		if missing != want {
			t.Errorf("%d bytes were found: %d are missing, want %d", found, missing, want)
		}
	}
}

// However much is skipped, only so many ranges are kept, and all bytes.
func TestManySkips(t *testing.T) {
	var s skips
	const n = 5000
	for i := range uint64(n) {
		s.add(Range{i * 100, i*100 + 16}, []string{swappedOut, tooFast}[i%2])
	}
	var bytes uint64
	for _, k := range s.list {
		bytes += k.End - k.Start
	}
	if len(s.list) > 1010 || bytes != n*16 {
		t.Errorf("%d ranges, %d bytes", len(s.list), bytes)
	}
}
