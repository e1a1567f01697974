package diagnose

import (
	"strings"
	"testing"

	"memtrace/tracer/report"
)

// Each order puts first what is largest in its sense, and leaves what was given up for the end.
func TestOrders(t *testing.T) {
	thread := func(tid int, bytes uint64) []report.ThreadSum {
		return []report.ThreadSum{{TID: tid, Sum: report.Sum{Bytes: bytes, Blocks: 1}}}
	}
	for by, want := range map[Order]string{
		BySize:      "large some small many past given",
		ByPeak:      "past some small large many given",
		ByTemporary: "small past large some many given",
		ByRate:      "some past large small many given",
		ByThread:    "some small large many past given", // thread 2 has most, of those that are known
	} {
		stacks := []report.Stack{
			{ID: "given", Bytes: 1 << 30, PeakBytes: 1 << 30, GivenUpStacks: 3},
			{ID: "small", Bytes: 10, PeakBytes: 20, TemporaryBlocks: 9, AllocatedBytes: 50, Threads: thread(2, 10)},
			{ID: "large", Bytes: 50, PeakBytes: 10, AllocatedBytes: 60, Threads: thread(1, 50)},
			{ID: "many", Threads: append(thread(3, 1), thread(0, 70)...)},
			{ID: "past", PeakBytes: 99, TemporaryBlocks: 8, AllocatedBytes: 99},
			{ID: "some", Bytes: 45, PeakBytes: 45, AllocatedBytes: 100, Threads: thread(2, 45)},
		}
		order(stacks, by)
		var got []string
		for i := range stacks {
			got = append(got, stacks[i].ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("by %s: %v, want %s", by, got, want)
		}
	}
}
