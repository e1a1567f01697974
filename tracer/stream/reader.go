package stream

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"memtrace/tracer/event"
	"memtrace/tracer/probe"
)

// batch is how many records are applied between looks at the clock, the counters and what
// else there is to be done.
const batch = 4096

// Sink takes what is read. It is called by one goroutine, which holds the lock, but for
// Between.
type Sink interface {
	sync.Locker
	// Apply takes an event of the ring. It may be changed when Apply returns.
	Apply(*event.Event)
	// ApplySpilled takes one for which the ring had no room: it belongs before events that
	// were applied, by its time.
	ApplySpilled(*event.Event)
	// Count takes the counters whenever they were read.
	Count(event.Counters)
	// Drained says that what had spilled when the counters were read was applied. gap is
	// the time (ns of CLOCK_MONOTONIC) of the last event that was lost for good, 0 if this
	// is not to be looked at now.
	Drained(gap uint64)
	// CaughtUp says that everything was applied that happened before the time; gap as for
	// Drained.
	CaughtUp(time, gap uint64)
	// Between is called between batches, without the lock. caughtUp: the ring has just
	// been read to its end.
	Between(caughtUp bool) error
}

// ring is a ringbuf.Reader, or what a test has in its place.
type ring interface {
	ReadInto(*ringbuf.Record) error
	SetDeadline(time.Time)
	AvailableBytes() int
	Flush() error
	Close() error
}

// Reader moves events to a Sink.
type Reader struct {
	sink     Sink
	ring     ring
	counters func() (event.Counters, error)
	drain    func(func(*event.Event)) error
	waker    *waker
	pace     atomic.Int32
	// syncs are asked for by who waits for the reader.
	syncs chan chan struct{}

	record  ringbuf.Record
	event   event.Event
	flushed bool
	idle    int  // polls with few records
	more    bool // the ring has not been read to its end
	// counted are the counters when they were last read.
	counted event.Counters
	// behind is how many bytes of the ring were there when spills were last
	// drained and are still to be read; spillTime is when that was.
	behind    int
	spillTime uint64
	// consumed is how many bytes of the ring were read since the trace began.
	consumed uint64
}

// New opens the ring and the spills of a set.
func New(set *probe.Set, sink Sink) (*Reader, error) {
	r := &Reader{sink: sink, counters: set.Counters, syncs: make(chan chan struct{})}
	spills := spillReader{spills: set.Spills()}
	r.drain = spills.drain
	reader, err := ringbuf.NewReader(set.Events())
	if err != nil {
		return nil, fmt.Errorf("open the ring buffer: %w", err)
	}
	r.ring = reader
	if r.waker, err = newWaker(set.Events()); err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	return r, nil
}

// Close gives back what New has opened.
func (r *Reader) Close() error {
	if r == nil {
		return nil
	}
	return errors.Join(r.waker.Close(), r.ring.Close())
}

// Consumed is how many bytes of the ring were read so far.
func (r *Reader) Consumed() uint64 { return r.consumed }

// Pending is how many bytes of the ring are there to be read.
func (r *Reader) Pending() int { return r.ring.AvailableBytes() }

// Run reads until over says so, after a batch that did or did not read the ring to its end,
// or the ring fails. It is called once.
func (r *Reader) Run(over func(caughtUp bool) bool) error {
	var waiting chan struct{}
	for {
		if waiting == nil {
			waiting = r.takeSync()
		}
		caughtUp, err := r.readBatch(r.interval())
		if err != nil {
			return err
		}
		if err := r.drainSpills(); err != nil {
			return err
		}
		if caughtUp && waiting != nil {
			close(waiting)
			waiting = nil
		}
		if err := r.sink.Between(caughtUp); err != nil {
			return err
		}
		if over(caughtUp) {
			return nil
		}
	}
}

// CatchUp applies what the ring holds now that the gate is shut.
func (r *Reader) CatchUp() error {
	if err := r.drainSpills(); err != nil {
		return err
	}
	for {
		if dry, err := r.readBatch(0); dry || err != nil {
			return err
		}
	}
}

// Drain reads what is left after every probe is gone.
func (r *Reader) Drain() error {
	if err := r.drainSpills(); err != nil {
		return err
	}
	if err := r.ring.Flush(); err != nil {
		return fmt.Errorf("flush the ring buffer: %w", err)
	}
	r.waker.wake()
	for !r.flushed {
		if _, err := r.readBatch(r.interval()); err != nil {
			return err
		}
	}
	return r.drainSpills()
}

// Discard empties the ring.
func (r *Reader) Discard() error {
	for {
		r.ring.SetDeadline(time.Now())
		if ok, err := r.next(); !ok || err != nil {
			return err
		}
	}
}

// readBatch applies up to batch records. It returns true when the ring ran dry.
// For the first it waits no longer than that.
func (r *Reader) readBatch(wait time.Duration) (dry bool, err error) {
	if wait > 0 && !r.more && r.waker.wait(wait) {
		r.idle = 0
	}
	r.ring.SetDeadline(time.Now())
	ok, err := r.next()
	if !ok || err != nil {
		r.idle++
		r.more = false
		return true, err
	}
	r.more = true
	r.sink.Lock()
	defer r.sink.Unlock()
	n := 0
	for ; ok && err == nil; n++ {
		if err := event.Decode(r.record.RawSample, &r.event); err != nil {
			return false, err
		}
		r.sink.Apply(&r.event)
		r.advance()
		if n >= batch {
			r.idle = 0
			return false, nil
		}
		ok, err = r.next()
	}
	r.more = false
	if r.idle++; float64(n) >= busyRate*wait.Seconds() {
		r.idle = 0
	}
	return true, err
}

// next reads one record; false when there is none at the moment.
func (r *Reader) next() (bool, error) {
	err := r.ring.ReadInto(&r.record)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, ringbuf.ErrFlushed):
		r.flushed = true
		return false, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false, nil
	}
	return false, fmt.Errorf("read the ring buffer: %w", err)
}

// advance notes that the reader has read another record, and come closer to where the
// ring stood when spills were drained.
func (r *Reader) advance() {
	const ringHeader = 8 // BPF_RINGBUF_HDR_SZ; records are padded to 8 bytes
	size := ringHeader + (len(r.record.RawSample)+7)&^7
	r.consumed += uint64(size)
	if r.behind <= 0 {
		return
	}
	r.behind -= size
	if r.behind <= 0 {
		r.sink.CaughtUp(r.spillTime, r.counted.GapTime)
	}
}

// drainSpills reads the counters, and applies what left the live set while the ring was
// full.
func (r *Reader) drainSpills() error {
	total, err := r.counters()
	if err != nil {
		return err
	}
	r.sink.Lock()
	defer r.sink.Unlock()
	before := r.counted
	r.counted = total
	r.sink.Count(total)
	if total.Spilled == before.Spilled && total.GapTime == before.GapTime {
		r.sink.Drained(0)
		return nil
	}
	drained := event.Now()
	if err := r.drain(r.sink.ApplySpilled); err != nil {
		return err
	}
	r.sink.Drained(total.GapTime)
	// One mark at a time: under a load that never ends a moving one would never
	// be reached.
	if r.behind <= 0 {
		r.spillTime = drained
		if r.behind = r.ring.AvailableBytes(); r.behind == 0 {
			r.sink.CaughtUp(r.spillTime, total.GapTime)
		}
	}
	return nil
}
