package record

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

const (
	// resolution: two snapshots are kept apart from each other by their age divided by this, so
	// that after a day some 4,000 are left, half a second apart in the last five minutes.
	resolution = 600
	// leastResolution is the coarsest that thinning goes to keep within the bound.
	leastResolution = 4
)

// keep chooses what to keep of the snapshots: the first, the last, the exact ones unless there are
// too many, and of the others those that are far enough from the next one that is kept.
func keep(entries []entry, resolution float64) []bool {
	kept := make([]bool, len(entries))
	exact, last, first := 0, -1, -1
	for i := range entries {
		if entries[i].snapshot() {
			if last = i; first < 0 {
				first = i
			}
			if entries[i].flags&frameExact != 0 {
				exact++
			}
		}
	}
	if last < 0 {
		return kept
	}
	now, next := entries[last].time, entries[last].time
	kept[first], kept[last] = true, true
	for i := last - 1; i > first; i-- {
		e := &entries[i]
		if !e.snapshot() {
			continue
		}
		far := float64(next-e.time) >= float64(now-e.time)/resolution
		if far || e.flags&frameExact != 0 && float64(exact) <= resolution/2 {
			kept[i], next = true, e.time
		}
	}
	return kept
}

// count is how many are kept.
func count(kept []bool) (n int) {
	for _, k := range kept {
		if k {
			n++
		}
	}
	return n
}

// thinner writes a record anew with fewer snapshots.
type thinner struct {
	r       io.ReaderAt
	w       io.WriterAt
	size    int64
	limit   int64
	entries []entry
	decoder *decoder
	// metas are those of the last snapshot that was written; fresh: none was since a restart.
	metas []byte
	fresh bool
	toKey int
	// waiting are frames to be written before the next snapshot, if there is one.
	waiting []entry
	// last is the offset of the last snapshot. What comes behind it is compressed by what it has of
	// processes, so that stays as it is.
	last int64
	// oldMarks is how many marks are left out.
	oldMarks int
}

// errTooLarge is returned by thin where not all that is kept fits below the limit.
var errTooLarge = errors.New("the stacks and their names alone take too much")

// errAbandoned is returned by thin once quit is set.
var errAbandoned = errors.New("it was abandoned")

// thin writes to w what is to be kept of the frames in r, up to limit bytes. It returns the new
// frames, and of what size the whole would be, about, where that is too large.
func thin(r io.ReaderAt, w io.WriterAt, entries []entry, kept []bool, limit int64, quit *atomic.Bool) (made *thinner, whole float64, err error) {
	of, err := infoOf(r, entries)
	if err != nil {
		return nil, 0, err
	}
	t := &thinner{r: r, w: w, limit: limit, decoder: newDecoder(of.columns()), fresh: true}
	if _, err := w.WriteAt(head(), 0); err != nil {
		return nil, 0, fmt.Errorf("write a thinned record: %w", err)
	}
	t.size = headSize
	t.oldMarks = -MostMarks
	for i := range entries {
		switch {
		case entries[i].snapshot():
			t.last = entries[i].offset
		case entries[i].kind == frameMark:
			t.oldMarks++
		}
	}
	needed := neededUntil(entries, kept)
	for i := range entries {
		if quit.Load() {
			return nil, 0, errAbandoned
		}
		if err := t.next(&entries[i], needed[i], kept[i]); err != nil {
			part := float64(entries[i].end()) / float64(entries[len(entries)-1].end())
			return nil, float64(t.size) / part, err
		}
	}
	return t, float64(t.size), nil
}

// next takes one frame.
func (t *thinner) next(e *entry, needed, kept bool) error {
	switch {
	case e.kind == frameRestart:
		t.waiting, t.fresh = []entry{*e}, true
		return t.decoder.apply(&e.header, nil)
	case needed && (e.kind == frameDefinitions || e.snapshot()):
		return t.take(e, kept)
	case e.kind == frameMark && t.oldMarks > 0:
		t.oldMarks--
	case e.kind == frameInfo || e.kind == frameMark:
		return t.copy(e)
	}
	return nil
}

// neededUntil says of each frame whether a snapshot that is kept follows it before the next
// restart, or is it.
func neededUntil(entries []entry, kept []bool) []bool {
	needed := make([]bool, len(entries))
	follows := false
	for i := len(entries) - 1; i >= 0; i-- {
		follows = follows || kept[i]
		needed[i] = follows
		if entries[i].kind == frameRestart {
			follows = false
		}
	}
	return needed
}

// take takes definitions or a snapshot, and writes it if it is kept.
func (t *thinner) take(e *entry, kept bool) error {
	payload, err := e.payload(t.r)
	if err != nil {
		return err
	}
	if err := t.decoder.apply(&e.header, payload); err != nil {
		return err
	}
	if e.kind == frameDefinitions {
		t.waiting = append(t.waiting, *e)
		return nil
	}
	if !kept {
		return nil
	}
	for i := range t.waiting {
		if err := t.copy(&t.waiting[i]); err != nil {
			return err
		}
	}
	t.waiting = t.waiting[:0]
	key := t.fresh || t.toKey <= 0 && e.offset != t.last
	if t.toKey--; key {
		t.toKey = keyEvery
		if e.offset != t.last { // those that follow take from it what is heavy
			if err := t.decoder.completeAll(); err != nil {
				return err
			}
		}
	}
	frame, metas := t.decoder.state.frame(time.Unix(0, e.time), e.flags&frameExact != 0, key, t.metas)
	t.metas, t.fresh = metas, false
	return t.write(frame)
}

// copy writes a frame as it is.
func (t *thinner) copy(e *entry) error {
	payload, err := e.payload(t.r)
	if err != nil {
		return err
	}
	return t.write(appendFrame(nil, e.kind, e.flags, e.at(), payload))
}

func (t *thinner) write(frame []byte) error {
	if t.size+int64(len(frame)) > t.limit {
		return errTooLarge
	}
	if _, err := t.w.WriteAt(frame, t.size); err != nil {
		return fmt.Errorf("write a thinned record: %w", err)
	}
	h, _ := parseHeader(frame) // it was just made
	t.entries = append(t.entries, entry{h, t.size})
	t.size += int64(len(frame))
	return nil
}
