package census

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/process/ptmalloc"
)

// TestLedger compares censuses of a program that waits with what the program says it has, and the
// free chunks with what malloc's lists say.
func TestLedger(t *testing.T) {
	var seen Totals
	for seed := range 20 {
		mode := []string{"", "foreign", "nobrk", "heaps", "handed"}[seed%5]
		t.Run(strconv.Itoa(seed)+mode, func(t *testing.T) {
			got := equalsLedger(t, command(t, seed, 1+seed*7%9, 20000, mode), mode == "foreign")
			seen.Mapped.Chunks += got.Mapped.Chunks
			seen.Fast.Chunks += got.Fast.Chunks
			seen.Cached.Chunks += got.Cached.Chunks
		})
	}
	if seen.Mapped.Chunks == 0 || seen.Fast.Chunks == 0 || seen.Cached.Chunks == 0 {
		t.Errorf("%+v: a kind of chunk never occurred", seen)
	}
}

// equalsLedger checks that a census has the blocks that the program's ledger has.
func equalsLedger(t *testing.T, cmd *exec.Cmd, foreign bool) Totals {
	t.Helper()
	l := runLedger(t, cmd)
	w := open(t, l.PID())
	c := w.mustLook(t)
	got := all(c)
	for most := 8; most > 0 && len(got) > 0 && got[0].Addr < l.blocks[0].Addr && strings.Contains(cmd.Path, "static"); most-- {
		got = got[1:] // libc's own, from before main
	}
	if text := differences(got, l.blocks); text != "" {
		t.Errorf("%d blocks, %d in the ledger:%s", c.Blocks.Len(), len(l.blocks), text)
	}
	sums := c.Totals
	if sums.InUse.Chunks != uint64(c.Blocks.Len()) || sums.Mapped.Chunks != sums.MappedKnown.Chunks || sums.Resyncs != 0 {
		t.Errorf("%+v", sums)
	}
	// In 2.43 the bytes drift away with each realloc of such a block.
	if newest := w.heap.Layout.Version.Minor == 43; !newest && sums.Mapped != sums.MappedKnown {
		t.Errorf("%+v", sums)
	}
	for _, s := range c.Skipped {
		if !foreign || !strings.Contains(s.Why, "another user of brk") {
			t.Errorf("skipped: %#x %s", s.Range, s.Why)
		}
	}
	w.equalLists(t, sums)
	return sums
}

// equalLists compares sums of free chunks with those that malloc's own lists lead to.
func (w *Walker) equalLists(t *testing.T, got Totals) {
	t.Helper()
	arenas, err := w.heap.Arenas(ptmalloc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var want Totals
	for _, a := range arenas.Arenas {
		want.Bins = want.Bins.plus(Sum(a.Bins))
		want.Fast = want.Fast.plus(Sum(a.Fast))
		if a.TopBytes > 0 {
			want.Top.add(a.TopBytes)
		}
	}
	if got.Bins != want.Bins || got.Fast != want.Fast || got.Top != want.Top {
		t.Errorf("%+v, malloc's lists have %+v", got, want)
	}
	if cached, ok := w.checker.Cached(); ok && got.Cached != Sum(cached) {
		t.Errorf("%+v cached, malloc's caches have %+v", got.Cached, cached)
	}
}

func (s Sum) plus(o Sum) Sum { return Sum{s.Chunks + o.Chunks, s.Bytes + o.Bytes} }
