package process

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/symbolize/patience"
	"memtrace/symbolize/procmaps"
	"memtrace/tracer/probe"
	"memtrace/tracer/region"
	"memtrace/tracer/region/proc"
	"memtrace/tracer/testsupport/testprog"
)

// flakySpace is an address space of one heap, or an error.
type flakySpace struct {
	err    error
	heap   uint64
	closed bool
}

func (f *flakySpace) Facts() (region.Facts, error) { return region.Facts{Program: 1}, f.err }

func (f *flakySpace) Maps(g func(*procmaps.Mapping)) error {
	g(&procmaps.Mapping{Start: 1 << 24, End: 1<<24 + f.heap, Perms: procmaps.Read | procmaps.Write, Path: "[heap]"})
	return f.err
}

func (f *flakySpace) Smaps(g func(*procmaps.Mapping)) error         { return f.Maps(g) }
func (f *flakySpace) Statm() (v, r, d uint64, _ error)              { return f.heap, f.heap, f.heap, f.err }
func (f *flakySpace) Read(uint64, []byte) bool                      { return false }
func (f *flakySpace) Present(uint64, uint64) (uint64, uint64, bool) { return 0, 0, false }
func (f *flakySpace) Used() time.Duration                           { return 0 }
func (f *flakySpace) Close() error                                  { f.closed = true; return nil }

func (f *flakySpace) Stacks(dst []region.StackAddress) ([]region.StackAddress, int, error) {
	return dst, 0, f.err
}

// The start of a trace waits for the first look, but goes on without it where no answer comes.
func TestLookFirst(t *testing.T) {
	testprog.NeedRoot(t)
	for name, slow := range map[string]bool{"slow": true, "no answer": false} {
		t.Run(name, func(t *testing.T) {
			pid := testprog.Start(t, "busy").PID()
			g := NewGroup(Config{Logf: t.Logf, GiveUp: func(what string) { t.Error(what) }}, running{}, new(probe.Attached))
			t.Cleanup(func() { g.WaitMemory(); g.Close() })
			if err := g.Open(pid); err != nil {
				t.Fatal(err)
			}
			answer, looked := make(chan struct{}), new(atomic.Bool)
			g.Of(uint32(pid)).memory.open = func(int) (addressSpace, error) {
				<-answer
				looked.Store(true)
				return &flakySpace{heap: 4096}, nil
			}
			if slow {
				time.AfterFunc(100*time.Millisecond, func() { close(answer) })
			}
			g.LookFirst()
			if looked.Load() != slow {
				t.Errorf("looked before the start: %v", looked.Load())
			}
			if !slow {
				close(answer)
			}
			g.Stop()
		})
	}
}

// A failed look is repeated, and keeps what earlier looks found. A process that is gone or out
// of reach stays so.
func TestMemoryWatch(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(1000+int64(second), 0) }
	for _, tc := range []struct {
		name string
		err  error
		last bool
	}{
		{"too many open files", unix.EMFILE, false},
		{"a process that has gone", region.ErrGone, true},
		{"no permission", region.ErrNotPermitted, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			space := &flakySpace{heap: 4096}
			w := memoryWatch{open: func(int) (addressSpace, error) { return space, nil }}
			w.poll(at(0))
			space.err, space.heap = tc.err, 8192
			w.poll(at(1))
			s, err := w.snapshot(at(2))
			if s == nil || !errors.Is(err, tc.err) || s.Polls != 1 || s.Classes[region.Brk].Virtual != 4096 {
				t.Fatalf("after a failed look: %+v, %v", s, err)
			}
			space.err = nil
			w.poll(at(3))
			s, err = w.snapshot(at(4))
			if tc.last {
				if s == nil || !errors.Is(err, tc.err) || s.Polls != 1 {
					t.Errorf("after the end: %+v, %v", s, err)
				}
			} else if s == nil || err != nil || s.Polls != 3 || s.Classes[region.Brk].Virtual != 8192 {
				t.Errorf("after a good look: %+v, %v", s, err)
			}
			if err := w.close(); err != nil || !space.closed {
				t.Errorf("close: %v, closed %v", err, space.closed)
			}
		})
	}
}

// What comes after the end of a trace is not looked at.
func TestMemoryWatchSettles(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(1000+int64(second), 0) }
	space := &flakySpace{heap: 4096}
	w := memoryWatch{open: func(int) (addressSpace, error) { return space, nil }}
	w.poll(at(0))
	space.heap = 8192
	w.settle(at(1))
	space.heap, space.err = 1<<20, region.ErrGone
	w.poll(at(2))
	s, err := w.snapshot(at(3))
	if s == nil || err != nil || s.Polls != 2 || s.Classes[region.Brk].Virtual != 8192 {
		t.Errorf("after the end of the trace: %+v, %v", s, err)
	}
	if class := w.classAt(1<<24 + 8191); class != region.Brk {
		t.Errorf("the heap is %v", class)
	}
	if class := w.classAt(1<<24 + 8192); class != region.Other {
		t.Errorf("behind the heap is %v", class)
	}
}

// If no look succeeded, there is a reason instead of figures.
func TestMemoryWatchWithoutFigures(t *testing.T) {
	for _, tc := range []struct {
		err   error
		final bool
	}{
		{unix.EMFILE, false}, {region.ErrNotPermitted, true}, {proc.ErrNoProcess, true}, {proc.ErrExiting, true},
	} {
		opened := 0
		w := memoryWatch{open: func(int) (addressSpace, error) { opened++; return nil, tc.err }}
		w.poll(time.Unix(1, 0))
		if s, err := w.snapshot(time.Unix(2, 0)); s != nil || !errors.Is(err, tc.err) {
			t.Errorf("%v: %+v, %v", tc.err, s, err)
		}
		if final := opened == 1; final != tc.final {
			t.Errorf("%v: opened %d times", tc.err, opened)
		}
	}
	for _, err := range []error{region.ErrGone, unix.EIO} {
		w := memoryWatch{open: func(int) (addressSpace, error) { return &flakySpace{err: err}, nil }}
		if s, got := w.snapshot(time.Unix(1, 0)); s != nil || !errors.Is(got, err) {
			t.Errorf("%v: %+v, %v", err, s, got)
		}
	}
}

// Who asks for what was seen last waits for a look that hangs only once.
func TestMemoryWatchHangs(t *testing.T) {
	testprog.Long(t)
	space := &flakySpace{heap: 4096}
	w := memoryWatch{open: func(int) (addressSpace, error) { return space, nil }}
	w.poll(time.Unix(1000, 0))
	if s, err := w.lastSeen(); err != nil || s.Polls != 1 || s.Classes[region.Brk].Virtual != 4096 {
		t.Fatalf("after a look: %+v, %v", s, err)
	}
	w.mu.Lock() // as a look that hangs does
	if s, err := w.lastSeen(); s != nil || !errors.As(err, new(*patience.NoAnswerError)) {
		t.Errorf("during a look that hangs: %v, %v", s != nil, err)
	}
	w.mu.Unlock()
	if s, err := w.lastSeen(); s != nil || !errors.As(err, new(*patience.NoAnswerError)) {
		t.Errorf("it was asked again: %v, %v", s != nil, err)
	}
}
