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

// batch is how many records are applied between checks of the clock, the counters and other
// work.
const batch = 4096

// Sink takes what is read. One goroutine calls it and holds the lock, except during Between.
type Sink interface {
	sync.Locker
	// Apply takes an event of the ring. The event may be overwritten once Apply returns.
	Apply(*event.Event)
	// ApplySpilled takes an event for which the ring had no room. By its time it belongs
	// before events that were already applied.
	ApplySpilled(*event.Event)
	// Count takes the counters each time they are read.
	Count(event.Counters)
	// Drained says that everything that had spilled when the counters were read was applied.
	// gap is the time (ns of CLOCK_MONOTONIC) of the last event lost for good, 0 if there is
	// no gap to handle now.
	Drained(gap uint64)
	// CaughtUp says that everything that happened before the time was applied. gap is as for
	// Drained.
	CaughtUp(time, gap uint64)
	// Between is called between batches, without the lock. caughtUp means that the ring has
	// just been read to its end.
	Between(caughtUp bool) error
}

// ring is a ringbuf.Reader, or a test's substitute.
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
	// syncs carries the requests of those who wait for the reader.
	syncs chan chan struct{}

	record  ringbuf.Record
	event   event.Event
	flushed bool
	idle    int  // polls with few records
	more    bool // the ring has not been read to its end
	// counted are the counters as last read.
	counted event.Counters
	// behind is how many bytes that were in the ring when spills were last drained are still
	// to be read. spillTime is when they were drained.
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

// Close closes what New opened.
func (r *Reader) Close() error {
	if r == nil {
		return nil
	}
	return errors.Join(r.waker.Close(), r.ring.Close())
}

// Consumed returns how many bytes of the ring were read so far.
func (r *Reader) Consumed() uint64 { return r.consumed }

// Pending returns how many bytes of the ring are waiting to be read.
func (r *Reader) Pending() int { return r.ring.AvailableBytes() }

// Run reads until over says so or the ring fails. over is asked after each batch, and told
// whether that read the ring to its end. Run must be called only once.
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

// readBatch applies up to batch records, and returns true if the ring ran dry. It waits at
// most that long for the first one.
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

// next reads one record. It returns false if there is none at the moment.
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

// advance notes that another record was read, which brings the reader closer to where the ring
// stood when spills were drained.
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

// drainSpills reads the counters, and applies what left the live set while the ring was full.
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
	// There is one mark at a time: under endless load a moving mark would never be reached.
	if r.behind <= 0 {
		r.spillTime = drained
		if r.behind = r.ring.AvailableBytes(); r.behind == 0 {
			r.sink.CaughtUp(r.spillTime, total.GapTime)
		}
	}
	return nil
}
