package diagnose

import (
	"strings"
	"testing"

	"memtrace/tracer/book"
)

// One block is one block.
func TestNoteInherited(t *testing.T) {
	for blocks, want := range map[uint64]string{1: "64 B in 1 block of its parent", 1200: "64 B in 1,200 blocks of its parent"} {
		d := &diagnosis{Facts: &Facts{Known: new(book.Copy)}}
		d.Known.Heap.Inherited.Bytes, d.Known.Heap.Inherited.Blocks = 64, blocks
		d.noteInherited()
		if got := strings.Join(d.notes, " "); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
