package answer

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/report"
)

// Two calls in one source line are one stack, which says where they differ.
func TestGroupOfOneLine(t *testing.T) {
	const exe = "/usr/bin/served"
	stack := func(id string, offset, bytes uint64) report.Stack {
		return report.Stack{ID: id, Kind: report.Heap, Bytes: bytes, Blocks: 1, Frames: []report.Frame{
			{Function: "make", Module: exe, File: "a.c", Line: 7, Address: 0x1000 + offset, Offset: offset},
			{Function: "main", Module: exe, File: "a.c", Line: 9, Address: 0x1500, Offset: 0x500},
		}}
	}
	other := stack("dd", 0x300, 5)
	other.Frames[0].Line = 8
	got := Group([]report.Stack{stack("aa", 0x100, 10), stack("bb", 0x120, 30), other, stack("cc", 0x140, 20)})
	if len(got) != 2 || got[0].Bytes != 60 || got[0].MergedStacks != 3 || got[1].Like != nil {
		t.Fatalf("got %+v", got)
	}
	want := []report.Like{
		{ID: "bb", Bytes: 30, Blocks: 1, Address: 0x1120, Module: exe, Offset: 0x120},
		{ID: "cc", Bytes: 20, Blocks: 1, Address: 0x1140, Module: exe, Offset: 0x140},
		{ID: "aa", Bytes: 10, Blocks: 1, Address: 0x1100, Module: exe, Offset: 0x100},
	}
	if diff := cmp.Diff(want, got[0].Like); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
