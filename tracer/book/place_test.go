package book

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"memtrace/tracer/event"
)

// mapped returns the events of a file that is mapped as code.
func mapped(inode, at, time uint64) []event.Event {
	return []event.Event{
		{Kind: event.Code, Addr: at, Size: 0xf00, Arg: 0x1000, File: event.File{Dev: 1, Inode: inode}, Time: time},
		{Kind: event.Mmap, Addr: at, Size: 0xf00, Arg: unix.PROT_EXEC | unix.MAP_PRIVATE<<32, Time: time},
	}
}

// Stacks with the same addresses are told apart by the code that is mapped there. Those of a
// file that comes back are the same again.
func TestStacksInTheirCode(t *testing.T) {
	const at = 0x7f00_0000_0000
	frames := []uint64{at + 0x500, 0x5555_0000_0000}
	next, time := uint64(0x10), uint64(0)
	b := applied(event.Event{Kind: event.Stack, Stack: 9, Frames: frames})
	alloc := func(size uint64) {
		next, time = next+0x100, time+1
		apply(b, event.Event{Kind: event.Alloc, Addr: next, Size: size, Stack: 9, Time: time})
	}
	alloc(1)
	for range 3 {
		for i := range uint64(2) {
			time++
			apply(b, mapped(77+i, at, time)...)
			alloc(10 * (i + 1))
		}
	}
	time++
	apply(b, event.Event{Kind: event.Mmap, Addr: at, Size: 0x1000, Arg: unix.PROT_EXEC | unix.MAP_ANONYMOUS<<32, Time: time})
	alloc(1000)
	time++
	apply(b, event.Event{Kind: event.Mmap, Addr: at, Size: 0x1000, Arg: unix.PROT_EXEC, Time: time}) // its Code was lost
	alloc(5000)

	file := func(inode uint64) event.CodeID { e := mapped(inode, at, 0)[0]; return e.Mapped() }
	want := map[event.CodeID]uint64{event.FirstCode: 1, file(77): 30, file(78): 60, event.NoFile: 1000, event.SomeFile: 5000}
	c := b.Copy(pid, Asked{Now: 1 << 40})
	for _, s := range c.Heap.Stacks {
		addresses, codes, _ := c.Frames(s.ID)
		code := event.FirstCode
		if codes != nil {
			code = codes[0]
		}
		if !slices.Equal(addresses, frames) || codes != nil && codes[1] != event.FirstCode {
			t.Errorf("stack %x at %x in %x", s.ID, addresses, codes)
		}
		if s.Bytes != want[code] {
			t.Errorf("in %x: %d bytes, want %d", code, s.Bytes, want[code])
		}
		delete(want, code)
	}
	if len(want) > 0 {
		t.Errorf("not seen: %v", want)
	}
}

// A stack that was forgotten with its code is known again when it is used again.
func TestForgottenStackInItsCode(t *testing.T) {
	sent := event.Event{Kind: event.Stack, Stack: 9, Frames: []uint64{0x7f00_0000_0500}}
	b := applied(append(mapped(77, 0x7f00_0000_0000, 1), sent)...)
	apply(b, event.Event{Kind: event.Alloc, Addr: 0x10, Size: 24, Stack: 9, Time: 2}, event.Event{Kind: event.Free, Addr: 0x10, Time: 3})
	gone := make(map[event.StackID]struct{})
	b.EachStack(func(id event.StackID, _ []uint64, _ bool) { gone[id] = struct{}{} })
	b.BeginForgetting(gone)
	apply(b, sent)
	b.Forget()
	apply(b, event.Event{Kind: event.Alloc, Addr: 0x20, Size: 24, Stack: 9, Time: 4})
	c := b.Copy(pid, Asked{Now: 1 << 40})
	for _, s := range c.Heap.Stacks {
		if _, codes, _ := c.Frames(s.ID); s.Bytes > 0 && len(codes) != 1 {
			t.Errorf("%+v lies in %v", s, codes)
		}
	}
}

// A stack that is unwound later has all of its frames under every ID that it goes by, each with the
// code of its time.
func TestUnwoundInItsCode(t *testing.T) {
	const at, main = 0x7f00_0000_0000, 0x5555_0000_0000
	b := applied()
	apply(b, mapped(77, at, 1)...)
	apply(b,
		event.Event{Kind: event.Stack, Stack: 9, Flags: event.Truncated | event.Later, Frames: []uint64{at + 0x500}, Time: 2},
		event.Event{Kind: event.Alloc, Addr: 0x10, Size: 1, Stack: 9, Time: 2})
	apply(b, mapped(78, at, 3)...)
	all := []uint64{at + 0x500, at + 0x600, main}
	b.Unwound(9, all, false)

	first := mapped(77, at, 0)[0]
	c := b.Copy(pid, Asked{Now: 1 << 40})
	if len(c.Heap.Stacks) != 1 {
		t.Fatalf("%d stacks", len(c.Heap.Stacks))
	}
	addresses, codes, truncated := c.Frames(c.Heap.Stacks[0].ID)
	want := []event.CodeID{first.Mapped(), first.Mapped(), event.FirstCode}
	if truncated || !slices.Equal(addresses, all) || !slices.Equal(codes, want) {
		t.Errorf("at %x in %x, truncated %v", addresses, codes, truncated)
	}
}
