package book

import (
	"testing"

	"memtrace/tracer/event"
)

// Who serves is told apart by the code that is mapped there, and is known until the next program.
func TestServers(t *testing.T) {
	const at, child = 0x7f00_0000_0000, pid + 1
	frames := []uint64{0x5555_0000_0000}
	b := New(Config{Follow: true})
	b.Add(pid)
	alloc := func(time uint64) {
		apply(b, event.Event{Kind: event.Alloc, Addr: 0x100 * time, Size: time, Stack: 9, Time: time})
	}
	apply(b, event.Event{Kind: event.Stack, Stack: 9, Server: at + 0x500, Frames: frames}, event.Event{Kind: event.Stack, Stack: 8, Frames: frames})
	alloc(1)
	apply(b, mapped(77, at, 2)...)
	alloc(3)
	apply(b, event.Event{Kind: event.Fork, Addr: child, Time: 4})

	code := mapped(77, at, 2)[0]
	first, second := Server{Address: at + 0x500}, Server{at + 0x500, code.Mapped()}
	want := map[Server]uint64{first: 1, second: 3}
	for _, p := range []uint32{pid, child} {
		if list := b.Servers(p); len(list) != 2 || list[0] == list[1] || want[list[0]] == 0 || want[list[1]] == 0 {
			t.Errorf("process %d is served by %x", p, list)
		}
	}
	c := b.Copy(pid, Asked{Now: 1 << 40})
	for _, s := range c.Heap.Stacks {
		if got := want[c.Server(s.ID)]; got != s.Bytes {
			t.Errorf("%d bytes are served by %x", s.Bytes, c.Server(s.ID))
		}
	}
	if len(c.Heap.Stacks) != 2 || c.Server(8) != (Server{}) {
		t.Errorf("stacks %+v", c.Heap.Stacks)
	}
	apply(b, event.Event{Kind: event.Exec, Time: 5})
	if list := b.Servers(pid); list != nil {
		t.Errorf("after an exec: %x", list)
	}
}
