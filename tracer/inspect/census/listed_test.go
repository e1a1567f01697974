package census

import (
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
