package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf/ringbuf"
	"github.com/google/go-cmp/cmp"

	"memtrace/bpf"
	"memtrace/tracer/event"
)

// recorded is a ring of recorded bytes.
type recorded struct {
	records [][]byte
	flushed bool
}

func (r *recorded) ReadInto(to *ringbuf.Record) error {
	switch {
	case len(r.records) > 0:
		to.RawSample, r.records = r.records[0], r.records[1:]
		return nil
	case r.flushed:
		return ringbuf.ErrFlushed
	}
	return os.ErrDeadlineExceeded
}

func (r *recorded) SetDeadline(time.Time) {}

func (r *recorded) AvailableBytes() (bytes int) {
	for _, raw := range r.records {
		bytes += 8 + (len(raw)+7)&^7
	}
	return bytes
}

func (r *recorded) Flush() error { r.flushed = true; return nil }
func (r *recorded) Close() error { return nil }

// log is a sink that writes down what it is told.
type log struct {
	sync.Mutex
	said    []any
	between func(caughtUp bool)
}

type (
	applied  struct{ Addr uint64 }
	spilled  struct{ Addr uint64 }
	drained  struct{ Gap uint64 }
	caughtUp struct{ Gap uint64 }
)

func (l *log) say(what any)                { l.said = append(l.said, what) }
func (l *log) Apply(ev *event.Event)       { l.say(applied{ev.Addr}) }
func (l *log) ApplySpilled(e *event.Event) { l.say(spilled{e.Addr}) }
func (l *log) Count(event.Counters)        {}
func (l *log) CaughtUp(_, gap uint64)      { l.say(caughtUp{gap}) }

// Drained notes only calls with a gap: it is called all the time, and only the call after a
// spill matters.
func (l *log) Drained(gap uint64) {
	if gap != 0 {
		l.say(drained{gap})
	}
}

func (l *log) Between(dry bool) error {
	if l.between != nil {
		l.between(dry)
	}
	return nil
}

// frees returns records of n frees, at addresses from first on.
func frees(t *testing.T, first, n uint64) (records [][]byte) {
	t.Helper()
	for addr := first; addr < first+n; addr++ {
		var buf bytes.Buffer
		record := bpf.MemtraceEventShort{H: bpf.MemtraceEventHeader{Kind: uint8(event.Free), Tgid: 1, Tid: 1, Time: addr}, Addr: addr}
		if err := binary.Write(&buf, binary.LittleEndian, record); err != nil {
			t.Fatal(err)
		}
		records = append(records, buf.Bytes())
	}
	return records
}

func newTestReader(from *recorded, to *log) *Reader {
	return &Reader{
		sink: to, ring: from, waker: &waker{c: make(chan struct{}, 1)}, syncs: make(chan chan struct{}),
		counters: func() (event.Counters, error) { return event.Counters{}, nil },
		drain:    func(func(*event.Event)) error { return nil },
	}
}

// Events come in the order of the ring, in batches, between which others get their turn.
func TestOrder(t *testing.T) {
	const n = 2*batch + 10
	from, to := &recorded{records: frees(t, 1, n)}, &log{}
	turns := 0
	to.between = func(bool) { turns++ }
	r := newTestReader(from, to)
	if err := r.Run(func(caughtUp bool) bool { return caughtUp }); err != nil {
		t.Fatal(err)
	}
	if len(to.said) != n {
		t.Fatalf("%d events, want %d", len(to.said), n)
	}
	for i, said := range to.said {
		if said != (applied{uint64(i + 1)}) {
			t.Fatalf("event %d is %v", i, said)
		}
	}
	if turns != 3 {
		t.Errorf("%d turns between three batches", turns)
	}
	if want := uint64(n * (8 + 32)); r.Consumed() != want {
		t.Errorf("%d bytes were consumed, want %d", r.Consumed(), want)
	}
}

// What spilled is applied immediately. The sink is told once everything that the ring held
// then was applied too.
func TestSpill(t *testing.T) {
	from, to := &recorded{}, &log{}
	r := newTestReader(from, to)
	counters := event.Counters{}
	r.counters = func() (event.Counters, error) { return counters, nil }
	r.drain = func(apply func(*event.Event)) error {
		apply(&event.Event{Kind: event.Free, Addr: 100})
		return nil
	}
	turn := 0
	to.between = func(bool) {
		if turn++; turn == 1 {
			counters = event.Counters{Spilled: 1, LostFree: 1, GapTime: 7}
		}
	}
	from.records = frees(t, 1, batch+3)
	if err := r.Run(func(bool) bool { return turn == 1 }); err != nil {
		t.Fatal(err)
	}
	to.said = nil
	// Two are left in the ring when spills are drained. One more comes after that.
	if err := r.drainSpills(); err != nil {
		t.Fatal(err)
	}
	from.records = append(from.records, frees(t, batch+4, 1)...)
	if err := r.CatchUp(); err != nil {
		t.Fatal(err)
	}
	want := []any{
		spilled{100}, drained{7}, applied{batch + 2}, applied{batch + 3}, caughtUp{7}, applied{batch + 4},
	}
	if diff := cmp.Diff(want, to.said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Those who wait for the reader are told once the ring has been read to its end.
func TestSync(t *testing.T) {
	r := newTestReader(&recorded{records: frees(t, 1, 3*batch)}, &log{})
	stop := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- r.Run(func(bool) bool {
			select {
			case <-stop:
				return true
			default:
				return false
			}
		})
	}()
	r.Sync(context.Background(), time.Minute)
	close(stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if n := r.Pending(); n != 0 {
		t.Errorf("%d bytes are still in the ring", n)
	}
}

// At the end everything is read, whatever came last.
func TestDrain(t *testing.T) {
	from, to := &recorded{records: frees(t, 1, batch+5)}, &log{}
	r := newTestReader(from, to)
	if err := r.Drain(); err != nil {
		t.Fatal(err)
	}
	if len(to.said) != batch+5 || !from.flushed {
		t.Errorf("%d events were read", len(to.said))
	}
}

// A record that no probe wrote ends the reading.
func TestBadRecord(t *testing.T) {
	r := newTestReader(&recorded{records: [][]byte{{1, 2, 3}}}, &log{})
	if err := r.Run(func(bool) bool { return false }); err == nil {
		t.Error("three bytes passed for a record")
	}
}
