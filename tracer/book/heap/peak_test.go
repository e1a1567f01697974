package heap

import (
	"testing"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

// peakOf returns the peak of a process.
func peakOf(h *Heap, pid uint32) Peak { return h.Snapshot(live.Options{PID: pid, All: true}).Peak }

// A peak is in doubt once frees were lost that may have been before it, and only then.
func TestPeakInDoubt(t *testing.T) {
	h := forked()
	if p := peakOf(h, parentPID); p.Approximate || p.Bytes != 15 {
		t.Fatalf("%+v", p)
	}
	h.Gap(childPID, base+250)
	if p := peakOf(h, parentPID); p.Approximate {
		t.Errorf("frees of another process were lost: %+v", p)
	}
	h.test(event.Exec, parentPID, 300, 0)
	h.test(event.Alloc, parentPID, 310, 0x100)
	h.Gap(parentPID, base+300)
	if p := peakOf(h, parentPID); p.Approximate || p.Bytes != 100 {
		t.Errorf("frees of the program before were lost: %+v", p)
	}
	h.Gap(0, base+305)
	if p := peakOf(h, parentPID); !p.Approximate || p.Bytes != 100 {
		t.Errorf("frees were lost: %+v", p)
	}
	const other = 99
	h.test(event.Alloc, other, 400, 0x100)
	if p := peakOf(h, other); p.Approximate {
		t.Errorf("a later process: %+v", p)
	}
	h.test(event.Alloc, other, 304, 0x200)
	if p := peakOf(h, other); !p.Approximate {
		t.Errorf("it has a block that may have been freed: %+v", p)
	}
}

// A late free of a copy, and a realloc, end what a child has inherited, and not what it held itself.
func TestPeakWithoutCopies(t *testing.T) {
	h := forked()
	h.Snapshot(live.Options{PID: childPID}) // copies
	h.test(event.Alloc, childPID, 300, 0x100)
	h.test(event.ReallocEnter, childPID, 310, 0x40)
	h.test(event.Realloc, childPID, 311, 0x110)
	h.test(event.Free, childPID, 312, 0x110)
	h.ApplyLateFree(&event.Event{Kind: event.Free, PID: childPID, TID: 1, Time: base + 250, Addr: 0x50})
	s := h.Snapshot(live.Options{PID: childPID, All: true})
	if s.Peak.Bytes != 200 || s.Peak.Blocks != 2 {
		t.Errorf("%+v, and the child allocated two blocks of 100 bytes", s.Peak)
	}
	if f := s.Inherited.Freed; f != (live.Sum{Bytes: 9, Blocks: 2}) {
		t.Errorf("of what it inherited it freed %+v", f)
	}
}

// After an exec no block is a copy, even if it comes by the stack of one, as those without frames do.
func TestPeakAfterCopies(t *testing.T) {
	h := New(Config{})
	alloc := func(pid uint32, time, addr, size uint64) {
		h.Apply(&event.Event{Kind: event.Alloc, PID: pid, Time: base + time, Addr: addr, Size: size})
	}
	alloc(parentPID, 100, 0x10, 7)
	h.Fork(parentPID, childPID, base+200)
	h.Snapshot(live.Options{PID: childPID}) // copies
	h.test(event.Exec, childPID, 300, 0)
	alloc(childPID, 310, 0x20, 50)
	h.GiveUp()
	h.GiveUp()
	if p := h.process(childPID); len(h.heirlooms) > 0 || p.peak.aside != (live.Sum{}) {
		t.Errorf("%d stacks of copies, %+v set aside", len(h.heirlooms), p.peak.aside)
	}
	alloc(childPID, 320, 0x30, 60)
	if p := peakOf(h, childPID); p.Sum != (live.Sum{Bytes: 110, Blocks: 2}) {
		t.Errorf("%+v", p)
	}
}

// What a program has allocated before its exec was looked at is part of its peak, even if it has no
// bytes.
func TestPeakOfBlocksBeforeExec(t *testing.T) {
	h := New(Config{})
	h.Apply(&event.Event{Kind: event.Alloc, PID: parentPID, Time: base + 310, Addr: 0x10, Stack: 1})
	h.test(event.Exec, parentPID, 300, 0)
	s := h.Snapshot(live.Options{PID: parentPID, All: true})
	checkMeasures(t, &s, parentPID)
	if s.Peak.Blocks != 1 || s.Peak.Time != base+310 {
		t.Errorf("%+v", s.Peak)
	}
}
