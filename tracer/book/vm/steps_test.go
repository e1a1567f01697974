package vm

import (
	"testing"

	"memtrace/tracer/event"
)

// ev returns an event at time t for size pages from page number page on.
func ev(kind event.Kind, t, page, size uint64, stack event.StackID) event.Event {
	return event.Event{
		Kind: kind, PID: pid, TID: tid, Time: t,
		Addr: base + page*pageSize, Size: size * pageSize, Stack: stack,
	}
}

func with(arg uint64, e event.Event) event.Event  { e.Arg = arg; return e }
func by(thread uint32, e event.Event) event.Event { e.TID = thread; return e }
func allocator(e event.Event) event.Event         { e.Flags = event.InAllocator; return e }
func mmap(t, page, size uint64, s event.StackID) event.Event {
	return with(anonymous, ev(event.Mmap, t, page, size, s))
}
func munmap(t, page, size uint64) event.Event { return ev(event.Munmap, t, page, size, 0) }
func enter(t, page, size uint64) event.Event  { return ev(event.MremapEnter, t, page, size, stackB) }

func mremap(t, old, page, size uint64) event.Event {
	return with(base+old*pageSize, ev(event.Mremap, t, page, size, stackB))
}

// These are the steps of tests, besides events.
type (
	late     event.Event
	caughtUp uint64
	gap      uint64
)

func play(t *testing.T, l *Ledger, steps []any) {
	t.Helper()
	for _, s := range steps {
		switch s := s.(type) {
		case event.Event:
			l.Apply(&s)
		case late:
			l.ApplyLateUnmap((*event.Event)(&s))
		case caughtUp:
			l.CaughtUp(uint64(s))
		case gap:
			l.Gap(pid, uint64(s))
		default:
			t.Fatalf("unknown step %T", s)
		}
	}
}

// piece is a region in pages.
type piece struct {
	stack      event.StackID
	page, size uint64
	time       uint64
}
