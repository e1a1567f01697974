package live

import (
	"testing"

	"memtrace/tracer/event"
)

// Of more places than are kept the rare ones are added up, and no free is lost.
func TestFreersBound(t *testing.T) {
	var f Freers
	const places, often = 100, 3
	var samples, blocks uint64
	for round := range 10 {
		for at := event.StackID(1); at <= places; at++ {
			if at > often && round > 0 {
				break
			}
			f.Add(7, at, 4)
			samples++
			blocks += 4
		}
	}
	list := f.Of(func(event.StackID) bool { return true })[7]
	if len(list) > mostFreers {
		t.Errorf("%d places are kept, at most %d are to be", len(list), mostFreers)
	}
	kept := map[event.StackID]uint64{}
	for _, at := range list {
		samples -= at.Samples
		blocks -= at.Blocks
		kept[at.Stack] = at.Samples
	}
	if samples != 0 || blocks != 0 {
		t.Errorf("%d samples and %d blocks are not counted", samples, blocks)
	}
	for at := event.StackID(1); at <= often; at++ {
		if kept[at] < 8 { // the first may have gone to the others
			t.Errorf("stack %d has %d samples, want 8 to 10: %v", at, kept[at], list)
		}
	}
	f.Drop(7)
	if got := f.Of(func(event.StackID) bool { return true }); len(got) > 0 || f.Bytes() != 0 {
		t.Errorf("left %v", got)
	}
}

func TestFreersStacks(t *testing.T) {
	var f Freers
	for id := event.StackID(1); id <= 2*mostFreed; id++ {
		f.Add(id, 1, 1)
	}
	if n := len(f.Of(func(event.StackID) bool { return true })); n != mostFreed {
		t.Errorf("frees of %d stacks are kept, want %d", n, mostFreed)
	}
}
