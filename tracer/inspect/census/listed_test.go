package census

import (
	"context"
	"os/exec"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// Where fastbins have more chunks than are read one by one, the others are not called blocks: their first
// words tell, but for the last chunk of each list.
func TestManyListed(t *testing.T) {
	const lists = 7 // chunks of 32 to 128 bytes
	w := open(t, testprog.Command(t, exec.Command(testprog.PathIn(t, "testdata", "large"), "100000", "freed")).PID())
	want := w.mustLook(t)
	w.listed = 100
	got := w.mustLook(t)
	if want.Totals.Fast.Chunks < 3000 || len(want.Skipped) != 0 || len(got.Skipped) != 1 {
		t.Errorf("%+v, skipped %+v and %+v", want.Totals, want.Skipped, got.Skipped)
	}
	if more := got.Totals.InUse.Chunks - want.Totals.InUse.Chunks; more > lists {
		t.Errorf("%d free chunks are called blocks", more)
	}
}

// So it is where lists lead from one heap of an arena to another.
func TestManyListedInHeaps(t *testing.T) {
	w := open(t, testprog.Command(t, exec.Command(testprog.PathIn(t, "testdata", "heaps"))).PID())
	w.listed = 100
	got := w.mustLook(t)
	const blocks, others = 500_000, 20
	if n := got.Totals.InUse.Chunks; n < blocks || n > blocks+others || len(got.Heaps) < 3 {
		t.Errorf("%+v in heaps %#x, want %d blocks", got.Totals, got.Heaps, blocks)
	}
}

// Memory is read once for many addresses.
func TestEach(t *testing.T) {
	w := open(t, testprog.Command(t, exec.Command(testprog.PathIn(t, "testdata", "large"), "100000", "freed")).PID())
	c := w.mustLook(t)
	first, last := c.Blocks.At(0), c.Blocks.At(c.Blocks.Len()-1)
	var addrs []uint64
	for addr := first.Addr; addr < last.Addr; addr += 40 {
		addrs = append(addrs, addr)
	}
	found := make(map[uint64]Block)
	if !w.Each(t.Context(), c, addrs, func(addr uint64, b Block) { found[addr] = b }) {
		t.Error("not all were looked at")
	}
	if pieces := int((last.Addr-first.Addr)/nowBytes) + 1; w.near.fills > 3*pieces {
		t.Errorf("%d pieces of memory were read for a heap of %d", w.near.fills, pieces)
	}
	for i, addr := range addrs {
		if b, ok := found[addr]; i%37 == 0 {
			if want, there := w.Now(c, addr); b != want || ok != there {
				t.Errorf("%#x: %#x, want %#x", addr, b, want)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if w.Each(ctx, c, addrs, func(uint64, Block) {}) {
		t.Error("it goes on after its context has ended")
	}
}
