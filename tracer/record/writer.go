package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/report"
)

// MostMarks is how many marks are kept when a record is thinned, the last ones. Reports had better
// have no more: each snapshot has theirs.
const MostMarks = 500

// LeastSize is the smallest bound of a record, in bytes.
const LeastSize = 1 << 20

// A file is thinned from such a part of its bound on, down to the other one: then both files
// together are below it.
const (
	thinFrom = 0.62
	thinTo   = 0.30
)

// Writer writes a record. It is for one goroutine.
type Writer struct {
	// Aside is called as work begins that is no cost of tracing, and what it returns at the end of
	// that, by the same goroutine. It may be replaced before the first snapshot.
	Aside func() (end func())

	path    string
	file    *os.File
	size    int64 // up to the last whole frame
	bound   int64
	entries []entry
	encoder *encoder
	last    time.Time
	// snapshots is how many the file has, thinAt how many make it be thinned.
	snapshots, thinAt int
	thinning          *thinning
	// notThinned is why it was not, the last time; failed is when.
	notThinned error
	failed     time.Time
}

// Create creates a record that may become so many bytes large. A file that exists is an error. by
// is the version of memtrace.
func Create(path string, bound uint64, by string) (*Writer, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, fmt.Errorf("the record %s exists already: remove it, or give another name", path)
	case err != nil:
		return nil, fmt.Errorf("create the record %s: %w", path, reason(err))
	}
	w := &Writer{Aside: func() func() { return func() {} }, path: path, file: file, bound: int64(bound), encoder: newEncoder(), thinAt: thinEvery}
	now := time.Now()
	if _, err = file.WriteAt(head(), 0); err == nil {
		w.size = headSize
		err = w.write(infoFrame(by, now))
	}
	if err != nil {
		_ = w.file.Close()  // the first error is returned
		_ = os.Remove(path) // it was created here
		return nil, fmt.Errorf("write the record %s: %w", path, reason(err))
	}
	return w, nil
}

// reason is an error without the path, which the caller names.
func reason(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// Snapshot adds a snapshot. In an exact one every figure is kept as it is. After an error the file
// is as it was, and the next snapshot may be tried.
func (w *Writer) Snapshot(at time.Time, reports []*report.Report, exact bool) error {
	defer w.Aside()()
	w.finishThinning(false)
	at = w.ordered(at)
	frames, err := w.encoder.snapshot(at, reports, exact)
	if err == nil && w.size+int64(len(frames)) > w.room() {
		w.finishThinning(true)
		if w.size+int64(len(frames)) > w.room() {
			err = w.tooLarge(len(frames))
			if float64(w.size) > thinTo*float64(w.bound) {
				w.beginThinning() // the next one may fit
			}
		}
	}
	if err == nil {
		err = w.write(frames)
	}
	if err != nil {
		w.encoder.restart() // what was encoded is not in the file
		return reason(err)
	}
	w.snapshots++
	if float64(w.size) > thinFrom*float64(w.bound) || w.snapshots > w.thinAt {
		w.beginThinning()
	}
	return nil
}

// tooLarge says that so many bytes do not fit any more, and why nothing makes room for them.
func (w *Writer) tooLarge(bytes int) error {
	err := fmt.Errorf("a snapshot of %s does not fit below the bound of %s (give a larger --record-size)", report.Size(uint64(bytes)), report.Size(uint64(w.bound)))
	if w.notThinned != nil {
		err = fmt.Errorf("%w, and older ones could not be thinned: %w", err, w.notThinned)
	}
	return err
}

// room is up to where the file may grow: while it is thinned, a part of the bound is for the other
// one.
func (w *Writer) room() int64 {
	if w.thinning != nil {
		return int64((1 - thinTo) * float64(w.bound))
	}
	return w.bound
}

// Mark adds a mark. A snapshot of that moment belongs right behind it.
func (w *Writer) Mark(at time.Time, name string) error {
	raw, err := json.Marshal(name)
	if err == nil {
		err = w.write(appendFrame(nil, frameMark, 0, w.ordered(at), compress(raw, nil)))
	}
	if err != nil {
		return reason(err)
	}
	return nil
}

// ordered keeps times from going back when the clock is set.
func (w *Writer) ordered(at time.Time) time.Time {
	if at.Before(w.last) {
		at = w.last
	}
	w.last = at
	return at
}

// write appends frames in one write, so that no other process ever sees a part of them for long.
// What was written in part is taken back.
func (w *Writer) write(frames []byte) error {
	if _, err := w.file.WriteAt(frames, w.size); err != nil {
		_ = w.file.Truncate(w.size) // a reader stops at a part of a frame, too
		return err
	}
	for len(frames) > 0 {
		h, _ := parseHeader(frames) // it was just made
		e := entry{h, w.size}
		w.entries = append(w.entries, e)
		frames = frames[e.end()-w.size:]
		w.size = e.end()
	}
	return nil
}

// Size is that of the file, in bytes.
func (w *Writer) Size() int64 { return w.size }

// Close ends the record, if ended, or else leaves it as one that was cut off. A record without a
// snapshot is removed. If it is being thinned, that is abandoned: it is below its bound as it is.
func (w *Writer) Close(ended bool) (err error) {
	if w.thinning != nil {
		w.thinning.quit.Store(true)
	}
	w.finishThinning(true)
	if w.snapshots == 0 {
		return errors.Join(w.file.Close(), os.Remove(w.path))
	}
	if ended {
		if err = w.write(appendFrame(nil, frameEnd, 0, w.last, nil)); err == nil {
			err = w.file.Sync()
		}
	}
	if closeErr := w.file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return reason(err)
	}
	return nil
}

// thinEvery is how many snapshots come, beside twice those that were kept, until old ones are
// thinned again.
const thinEvery = 2000

// thinning is a file that is thinned while more is added to it.
type thinning struct {
	from int   // the first frame that is copied as it is
	at   int64 // where that is
	file *os.File
	done chan error
	quit atomic.Bool
	// made is there once done.
	made *thinner
	kept int
}

// thinAgain is how long it takes until it is tried again to thin what could not be thinned: the
// whole file is read for that.
const thinAgain = time.Minute

// beginThinning writes the record anew beside itself, with fewer snapshots.
func (w *Writer) beginThinning() {
	if w.thinning != nil || w.notThinned != nil && time.Since(w.failed) < thinAgain {
		return
	}
	file, err := createBeside(w.path)
	t := &thinning{from: len(w.entries), at: w.size, file: file, done: make(chan error, 1)}
	w.thinning = t
	if err != nil {
		t.done <- err
		return
	}
	if info, err := w.file.Stat(); err == nil {
		_ = file.Chmod(info.Mode().Perm()) // it was created by this process
	}
	entries, from, target := w.entries[:len(w.entries):len(w.entries)], w.file, int64(thinTo*float64(w.bound))
	go func() {
		end := w.Aside()
		err := t.run(from, entries, target)
		end()
		t.done <- err
	}()
}

// createBeside creates the file that a thinned record is written to. It has one name, so that what a
// kill has left is replaced.
func createBeside(path string) (*os.File, error) {
	name := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".thinned")
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// run thins, ever more, until the file is small enough.
func (t *thinning) run(from *os.File, entries []entry, target int64) error {
	for sharp := float64(resolution); ; {
		kept := keep(entries, sharp)
		made, whole, err := thin(from, t.file, entries, kept, target, &t.quit)
		switch {
		case err == nil:
			t.made, t.kept = made, count(kept)
			if err := t.file.Truncate(made.size); err != nil { // an attempt before was longer
				return err
			}
			return t.file.Sync()
		case !errors.Is(err, errTooLarge) || sharp <= leastResolution:
			return err
		}
		sharp = max(min(sharp*0.9*float64(target)/whole, sharp*0.75), leastResolution)
	}
}

// finishThinning puts a file that was thinned in the place of the record, if it is done, or else
// with wait once it is.
func (w *Writer) finishThinning(wait bool) {
	t := w.thinning
	if t == nil {
		return
	}
	var err error
	if wait {
		err = <-t.done
	} else {
		select {
		case err = <-t.done:
		default:
			return
		}
	}
	w.thinning = nil
	if err == nil {
		err = w.replace(t)
	}
	if w.notThinned = nil; err == nil {
		return
	}
	w.notThinned, w.failed = reason(err), time.Now()
	if t.file != nil {
		_ = t.file.Close() // the first error is kept
		_ = os.Remove(t.file.Name())
	}
}

// replace adds to the thinned file what came since, and gives it the record's name.
func (w *Writer) replace(t *thinning) error {
	tail := make([]byte, w.size-t.at)
	if _, err := w.file.ReadAt(tail, t.at); err != nil {
		return err
	}
	size := t.made.size
	if _, err := t.file.WriteAt(tail, size); err != nil {
		return err
	}
	if err := unix.Rename(t.file.Name(), w.path); err != nil {
		return err
	}
	entries := t.made.entries
	for _, e := range w.entries[t.from:] {
		e.offset += size - t.at
		entries = append(entries, e)
	}
	_ = w.file.Close() // nothing reads it any more
	w.file, w.entries, w.size = t.file, entries, size+int64(len(tail))
	w.snapshots = t.kept
	for _, e := range w.entries[len(t.made.entries):] {
		if e.snapshot() {
			w.snapshots++
		}
	}
	w.thinAt = 2*t.kept + thinEvery
	return nil
}
