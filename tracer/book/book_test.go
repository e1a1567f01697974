package book

import (
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/book/live"
	"memtrace/tracer/book/sample"
	"memtrace/tracer/event"
)

const pid = 7

// applied returns a Book of one process that has taken events.
func applied(events ...event.Event) *Book {
	b := New(Config{})
	b.Add(pid)
	apply(b, events...)
	return b
}

func apply(b *Book, events ...event.Event) {
	b.Lock()
	defer b.Unlock()
	for i := range events {
		events[i].PID = pid
		b.Apply(&events[i])
	}
}

// What an exited process held was never given back, however young it was.
func TestCopyOfExited(t *testing.T) {
	b := applied(
		event.Event{Kind: event.Alloc, Addr: 0x10, Size: 24, Stack: 1, Time: 1000},
		event.Event{Kind: event.Fork, Addr: 8, Time: 1100},
		event.Event{Kind: event.Exit, Addr: uint64(unix.SIGKILL), Time: 2000},
	)
	c := b.Copy(pid, Asked{Start: 500, Now: 9000, Older: time.Hour})
	if c.Now != 2000 || c.Older != 0 || c.Heap.Outstanding.Bytes != 24 {
		t.Errorf("at %d, of blocks of %v: %+v", c.Now, c.Older, c.Heap.Outstanding)
	}
	if !c.Life.Exited || c.Life.Status.Signal() != unix.SIGKILL || c.Life.Children != 1 || !b.AllExited() {
		t.Errorf("%+v", c.Life)
	}
	// It may have ended while it was attached to.
	if c := b.Copy(pid, Asked{Start: 3000, Now: 9000}); c.Now != 3000 {
		t.Errorf("at %d, before its trace began", c.Now)
	}
}

// Of an old program nothing is left: neither where its heap lay nor its pages, also where the
// exec spilled.
func TestNewProgram(t *testing.T) {
	for _, spilled := range []bool{false, true} {
		b := applied(event.Event{Kind: event.Brk, Addr: 0x7fff00000000, Time: 1000})
		b.SampleFaults()
		apply(b, event.Event{Kind: event.Fault, Addr: 0x7ffe00000000, Size: 1, Arg: 4096, Stack: 1, Time: 1500})
		if c := b.Copy(pid, Asked{}); len(c.Pages) != 1 {
			t.Fatalf("pages %v", c.Pages)
		}
		exec := event.Event{Kind: event.Exec, PID: pid, Time: 2000}
		b.Lock()
		if spilled {
			b.ApplySpilled(&exec)
		} else {
			b.Apply(&exec)
		}
		b.Unlock()
		apply(b, event.Event{Kind: event.Brk, Addr: 0x1000000, Time: 3000})
		var seen uint64
		c := b.Copy(pid, Asked{Now: 4000, Way: func(brk uint64) live.Way {
			seen = brk
			return nil
		}})
		if seen != 0x1000000 || c.Life.Execs != 1 || len(c.Pages) != 0 {
			t.Errorf("spilled %v: the break is %#x after %d execs, pages %v", spilled, seen, c.Life.Execs, c.Pages)
		}
	}
}

// Of stacks that are too many those are forgotten that nothing counts and that were not sent
// again.
func TestForget(t *testing.T) {
	b := New(Config{})
	b.Add(pid)
	const stacks = 1000
	for id := event.StackID(1); id <= stacks; id++ {
		apply(b, event.Event{Kind: event.Stack, Stack: id, Frames: []uint64{uint64(id)}})
	}
	apply(b, event.Event{Kind: event.Alloc, Addr: 0x10, Size: 24, Stack: 1, Time: 1000})
	if forget := b.KeepWithin(1 << 30); forget != nil {
		t.Fatalf("%d stacks are to be forgotten where there is room", len(forget))
	}
	forget := b.KeepWithin(1 << 10)
	if _, held := forget[1]; held || len(forget) != stacks-1 {
		t.Fatalf("%d stacks are to be forgotten, one that holds something: %v", len(forget), held)
	}
	b.BeginForgetting(forget)
	if again := b.KeepWithin(1 << 10); again != nil {
		t.Errorf("%d more while these are forgotten", len(again))
	}
	apply(b,
		event.Event{Kind: event.Stack, Stack: 2, Frames: []uint64{2}},
		event.Event{Kind: event.Alloc, Addr: 0x20, Size: 24, Stack: 3, Time: 2000})
	earlier := b.Copy(pid, Asked{})
	b.Forget()
	var left []event.StackID
	b.EachStack(func(id event.StackID, _ []uint64, _ bool) { left = append(left, id) })
	if slices.Sort(left); !slices.Equal(left, []event.StackID{1, 2, 3}) {
		t.Errorf("left: %v", left)
	}
	if addresses, _, _ := earlier.Frames(4); !slices.Equal(addresses, []uint64{4}) {
		t.Errorf("a copy made before has %v of a stack", addresses)
	}
}

// A window begins when its events can be taken up, not while the reader keeps the lock.
func TestWindowBeginsUnlocked(t *testing.T) {
	b := applied()
	b.LeaveExact(1000, map[uint32]Watched{pid: {Sample: sample.Config{}}})
	var clock sync.Mutex
	time := uint64(2000)
	now := func() uint64 { clock.Lock(); defer clock.Unlock(); return time }
	b.Lock()
	begun := make(chan struct{})
	go func() {
		b.BeginWindow(now, func(uint32) bool { return true }, nil)
		close(begun)
	}()
	clock.Lock()
	time = 5000
	clock.Unlock()
	b.Unlock()
	<-begun
	apply(b, event.Event{Kind: event.Alloc, Addr: 0x10, Size: 24, Stack: 1, Time: 5500})
	if n := b.Young(); n != 1 {
		t.Errorf("%d blocks are young", n)
	}
	b.Cut(func() uint64 { return 6000 }, nil)
	apply(b, event.Event{Kind: event.Free, Addr: 0x20, Time: 6500})
	b.EndWindow(6000, true, 7000, nil)
	c := b.Copy(pid, Asked{Now: 7000})
	if c.Sample == nil || c.Sample.Traced != 1000 || c.Sample.Counters.Candidates != 1 || c.WindowsSince != 1000 {
		t.Errorf("%+v", c.Sample)
	}
	if calls := b.Calls(); calls.Allocs != 1 || calls.Frees != 0 || calls.Late != 1 {
		t.Errorf("%+v", calls)
	}
}

// The alarm goes off once so many more calls were seen, and once only.
func TestAlarm(t *testing.T) {
	b := applied()
	alarm := b.AlarmAfter(2)
	pair := []event.Event{{Kind: event.Alloc, Addr: 0x10, Size: 8, Time: 1}, {Kind: event.Free, Addr: 0x10, Time: 2}}
	apply(b, pair[0])
	select {
	case <-alarm:
		t.Error("it went off too early")
	default:
	}
	apply(b, pair[1], pair[0], pair[1])
	<-alarm
	select {
	case <-alarm:
		t.Error("it went off twice")
	default:
	}
}

// Copies are made while events are applied; the race detector looks on.
func TestCopyWhileApplied(t *testing.T) {
	b := applied()
	var done sync.WaitGroup
	done.Go(func() {
		for i := range uint64(2000) {
			apply(b,
				event.Event{Kind: event.Stack, Stack: event.StackID(i%50 + 1), Frames: []uint64{i%50 + 1}},
				event.Event{Kind: event.Alloc, Addr: 16 * (i + 1), Size: 24, Stack: event.StackID(i%50 + 1), Time: i + 1})
		}
	})
	for range 100 {
		c := b.Copy(pid, Asked{Now: 1 << 40})
		for i := range c.Heap.Stacks {
			s := &c.Heap.Stacks[i]
			if addresses, _, cut := c.Frames(s.ID); cut || !slices.Equal(addresses, []uint64{uint64(s.ID)}) || s.Bytes != 24*s.Blocks {
				t.Fatalf("stack %d at %v: %+v", s.ID, addresses, s.Sum)
			}
		}
	}
	done.Wait()
	if totals := b.Totals(); totals.Live.Blocks != 2000 || totals.Events != 2000 {
		t.Errorf("%+v", totals)
	}
}

// A process has nothing of one that had its pid and was removed, whether it joins or was forked with
// the address space of its parent.
func TestPIDAgain(t *testing.T) {
	const parent = pid + 1
	for name, begin := range map[string]func(*Book){
		"joins": func(b *Book) { b.Join(pid, 3000) },
		"shares": func(b *Book) {
			b.Add(parent)
			b.Lock()
			defer b.Unlock()
			b.Apply(&event.Event{Kind: event.Fork, PID: parent, Addr: pid, Size: 1, Time: 3000})
			b.Apply(&event.Event{Kind: event.Exec, PID: pid, Time: 3500})
		},
	} {
		b := New(Config{Follow: true})
		b.Add(pid)
		apply(b,
			event.Event{Kind: event.Alloc, Addr: 0x10, Size: 1000, Stack: 1, Time: 1000},
			event.Event{Kind: event.Exit, Time: 2000})
		b.Remove(pid)
		begin(b)
		apply(b, event.Event{Kind: event.Alloc, Addr: 0x20, Size: 24, Stack: 1, Time: 4000})
		if live := b.Totals().Live; live.Blocks != 1 || live.Bytes != 24 {
			t.Errorf("%s: %+v live", name, live)
		}
		h := b.Copy(pid, Asked{Now: 5000}).Heap
		if h.Outstanding.Bytes != 24 || h.Peak.Bytes != 24 || h.Counters.Alloc != 1 || len(h.Threads) != 1 {
			t.Errorf("%s: %+v outstanding, %+v at the peak, %+v", name, h.Outstanding, h.Peak, h.Counters)
		}
	}
}

// Growth is unexplained as long as what is live is less than half of it, and until faults are
// sampled.
func TestUnexplained(t *testing.T) {
	b := applied(event.Event{Kind: event.Alloc, Addr: 0x10, Size: 1 << 20, Stack: 1, Time: 1000})
	for resident, want := range map[int64]bool{-1 << 30: false, 0: false, 3<<20 - 1: false, 3 << 20: true} {
		if got := b.Unexplained(resident); got != want {
			t.Errorf("%d bytes with 1 MiB live: %v", resident, got)
		}
	}
	if b.SampleFaults(); b.Unexplained(1 << 30) {
		t.Error("it is unexplained although faults are sampled")
	}
}
