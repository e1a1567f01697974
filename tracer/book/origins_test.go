package book

import (
	"testing"

	"memtrace/tracer/book/sample"
	"memtrace/tracer/book/vm"
	"memtrace/tracer/event"
)

// The stack of a block is known by its address: of every one, or of what windows saw and a check read,
// and of mappings.
func TestOrigins(t *testing.T) {
	b := applied(
		event.Event{Kind: event.Alloc, Addr: 0x1000, Size: 24, Stack: 1, Time: 1000},
		event.Event{Kind: event.Alloc, Addr: 0x2000, Size: 24, Stack: 2, Time: 1100},
		event.Event{Kind: event.Free, Addr: 0x2000, Time: 1200},
	)
	look := b.Copy(pid, Asked{Now: 2000}).Origins
	if got := look([]uint64{0x1000, 0x2000, 0x3000}); len(got) != 3 || got[0] != (Origin{Stack: 1, Time: 1000}) || got[1] != (Origin{}) || got[2] != (Origin{}) {
		t.Errorf("exact: %+v", got)
	}
	b.LeaveExact(3000, map[uint32]Watched{pid: {Mapped: vm.Mapped{}, Sample: sample.Config{}}})
	b.BeginWindow(func() uint64 { return 4000 }, func(uint32) bool { return true }, nil)
	apply(b, event.Event{Kind: event.Alloc, Addr: 0x3000, Size: 24, Stack: 3, Time: 4100},
		event.Event{Kind: event.Mmap, Addr: 0x700000, Size: 0x21000, Stack: 4, Time: 4200})
	b.EndWindow(5000, true, 6000, nil)
	asked := []uint64{0x1000, 0x3000, 0x700010, 0x700020}
	if got := look(asked); got[0] != (Origin{}) || got[1] != (Origin{}) || got[2] != (Origin{Stack: 4, Time: 4200, Mapped: true, Size: 0x20ff0}) || got[3] != (Origin{}) {
		t.Errorf("in windows: %+v", got)
	}
	for _, c := range b.Candidates(pid, nil, true) {
		b.Checked(pid, []sample.Candidate{c}, 7000, func(int) (known, free bool) { return true, false })
	}
	if got := look(asked)[1]; got != (Origin{Stack: 3, Time: 4100, Sampled: true, Size: 24}) {
		t.Errorf("checked: %+v", got)
	}
	apply(b, event.Event{Kind: event.Returned, Addr: 0x3000, Size: 0x20, Stack: 5, Time: 4050})
	if got := look(asked)[1]; got.Stack != 3 {
		t.Errorf("a window saw it returned later: %+v", got)
	}
	apply(b, event.Event{Kind: event.Returned, Addr: 0x3000, Size: 0x20, Stack: 5, Time: 8000})
	if got := look(asked)[1]; got != (Origin{Stack: 5, Time: 8000, Size: 0x18, Returned: true, Times: 2}) {
		t.Errorf("returned: %+v", got)
	}
	apply(b, event.Event{Kind: event.Free, Addr: 0x3000, Time: 9000})
	if got := look(asked)[1]; got != (Origin{}) {
		t.Errorf("freed: %+v", got)
	}
	b.Remove(pid)
	if got := look(asked); got[1] != (Origin{}) {
		t.Errorf("of a process that left: %+v", got)
	}
}
