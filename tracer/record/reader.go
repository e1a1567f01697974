package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"time"

	"memtrace/tracer/report"
)

// Mark is a moment that was marked while the record was made.
type Mark struct {
	Time time.Time
	Name string
}

// Reader reads a record.
type Reader struct {
	r       io.ReaderAt
	file    *os.File // nil if somebody else's
	info    *info
	entries []entry
	// snapshots are the places of snapshots in entries.
	snapshots []int
	marks     []Mark
	markNames int // bytes of their names
	ended     bool
}

// Open opens the record of a path. Its error is ErrForeign, a *NewerError, or says what is wrong.
// A record that was cut off is opened up to there. It may still be written.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the record: %w", err)
	}
	stat, err := f.Stat()
	if err == nil && !stat.Mode().IsRegular() {
		err = ErrForeign
	}
	var r *Reader
	if err == nil {
		r, err = NewReader(f, stat.Size())
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	r.file = f
	return r, nil
}

// NewReader reads a record of size bytes.
func NewReader(r io.ReaderAt, size int64) (*Reader, error) {
	h := make([]byte, min(max(size, 0), headSize))
	if _, err := r.ReadAt(h, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read its head: %w", err)
	}
	if err := checkHead(h); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errNothing
		}
		return nil, err
	}
	out := &Reader{r: r}
	var err error
	if out.entries, err = index(r, size); err != nil {
		return nil, err
	}
	for i := range out.entries {
		out.note(i)
	}
	if len(out.snapshots) == 0 {
		return nil, errNothing
	}
	if out.info, err = infoOf(r, out.entries); err != nil {
		return nil, err
	}
	return out, nil
}

var errNothing = errors.New("the record was cut off before it had a snapshot")

// note takes up what the i-th frame says without its payload, and names of marks.
func (r *Reader) note(i int) {
	switch e := &r.entries[i]; {
	case e.snapshot():
		r.snapshots = append(r.snapshots, i)
	case e.kind == frameEnd:
		r.ended = true
	case e.kind == frameMark:
		r.marks = append(r.marks, Mark{e.at(), r.nameOf(e)})
	}
}

const (
	// mostMark bounds the name of a mark, in JSON, and mostMarkNames those of all.
	mostMark      = 4 << 10
	mostMarkNames = 16 << 20
)

// nameOf reads the name of a mark, "" if it makes no sense: a mark without a name is one.
func (r *Reader) nameOf(e *entry) (name string) {
	if e.length > mostMark || r.markNames > mostMarkNames {
		return ""
	}
	packed, err := e.payload(r.r)
	if err != nil {
		return ""
	}
	raw, err := expandUpTo(mostMark, packed, nil)
	if err != nil || json.Unmarshal(raw, &name) != nil {
		return ""
	}
	r.markNames += len(name)
	return name
}

// Close closes the file that Open opened.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// Ended reports whether the record has an end: else memtrace was killed, could not write on, or
// still does.
func (r *Reader) Ended() bool { return r.ended }

// Marks returns the marks, the first first.
func (r *Reader) Marks() []Mark { return r.marks }

// Len is the number of snapshots, at least 1.
func (r *Reader) Len() int { return len(r.snapshots) }

// Time is when the i-th snapshot was made.
func (r *Reader) Time(i int) time.Time { return r.entries[r.snapshots[i]].at() }

// Before returns the last snapshot that is not later than t, or the first one.
func (r *Reader) Before(t time.Time) int {
	after := sort.Search(r.Len(), func(i int) bool { return r.Time(i).After(t) })
	return max(after-1, 0)
}

// At returns the i-th snapshot: one report for each process. Their stacks have no order. Snapshots
// before it are not read, but for those since the last key.
func (r *Reader) At(i int) (reports []*report.Report, err error) {
	err = r.walk(i, i, func(_ int, made []*report.Report) error {
		reports = made
		return nil
	})
	return reports, err
}

// Each calls f with the snapshots from the first to the last, both included.
func (r *Reader) Each(first, last int, f func(i int, reports []*report.Report) error) error {
	return r.walk(first, last, f)
}

// walk decodes from the last key before first on.
func (r *Reader) walk(first, last int, f func(int, []*report.Report) error) error {
	key, restart := r.snapshots[first], 0
	for r.entries[key].kind != frameKey && key > 0 {
		key--
	}
	for i := range key {
		if r.entries[i].kind == frameRestart {
			restart = i
		}
	}
	d := newDecoder(r.info.columns())
	snapshot := sort.SearchInts(r.snapshots, key)
	for i := restart; i <= r.snapshots[last]; i++ {
		e := &r.entries[i]
		if e.snapshot() && i < key {
			continue
		}
		if e.kind == frameMark || e.kind == frameInfo {
			continue
		}
		if err := r.apply(d, e); err != nil {
			return err
		}
		if !e.snapshot() {
			continue
		}
		d.state.settle()
		if snapshot >= first {
			reports, err := d.reports()
			if err != nil {
				return err
			}
			if err := f(snapshot, reports); err != nil {
				return err
			}
		}
		snapshot++
	}
	return nil
}

func (r *Reader) apply(d *decoder, e *entry) error {
	payload, err := e.payload(r.r)
	if err == nil {
		err = d.apply(&e.header, payload)
	}
	if errors.Is(err, errDamaged) {
		return fmt.Errorf("%w (what was recorded up to %s can be read: --at)", err, e.at().Format(time.DateTime))
	}
	return err
}
