package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/pflag"

	"memtrace/cmd/memtrace/live"
	"memtrace/tracer"
	"memtrace/tracer/record"
	"memtrace/tracer/report"
)

// recordFlags are those of --record.
type recordFlags struct {
	file  string
	every time.Duration
	size  uint64
	// symbols is symbolsNow or symbolsLater.
	symbols string
	fs      *pflag.FlagSet
}

// When names are looked up.
const (
	symbolsNow   = "now"
	symbolsLater = "later"
)

func (f *recordFlags) add(fs *pflag.FlagSet) {
	f.every, f.size, f.fs = time.Second/2, 256<<20, fs
	fs.StringVar(&f.file, "record", "", "keep snapshots in `FILE`, a new one, for memtrace report and memtrace diff")
	fs.Var((*durationValue)(&f.every), "record-every", "keep one every `DUR`, or as often as that takes at most 5 % of a processor")
	fs.Var((*sizeValue)(&f.size), "record-size", "keep FILE below `BYTES`, by thinning older snapshots")
	fs.StringVar(&f.symbols, "symbols", symbolsNow, "look names up `WHEN`: now, or later, by memtrace report, so that the trace reads no symbols for them; goes with --record")
}

func (f *recordFlags) check() error {
	const most = 1 << 50
	switch {
	case f.file == "" && (f.fs.Changed("record-every") || f.fs.Changed("record-size")):
		return usagef("--record-every and --record-size go with --record FILE")
	case f.symbols != symbolsNow && f.symbols != symbolsLater:
		return usagef("--symbols %s: give now or later", f.symbols)
	case f.file == "" && f.symbols == symbolsLater:
		return usagef("--symbols later goes with --record FILE: memtrace report FILE looks the names up")
	case f.every < 10*time.Millisecond:
		return usagef("--record-every %v: give 10ms or more", f.every)
	case f.size < record.LeastSize || f.size > most:
		return usagef("--record-size %d: give %s or more", f.size, (*sizeValue)(new(uint64(record.LeastSize))))
	}
	return nil
}

// recorder keeps snapshots of a trace in a file, from a goroutine of its own.
type recorder struct {
	flags  *recordFlags
	writer *record.Writer
	// take makes a snapshot of the trace.
	take func(paced bool) []*report.Report
	log  logger
	// marks wait to be written. quit ends the goroutine, which closes ended.
	marks       chan *markAsked
	quit, ended chan struct{}
	// broken is why the last snapshot could not be written, nil if it was; since when.
	broken error
	since  time.Time
}

// newRecorder creates the file, before anything is traced.
func newRecorder(flags *recordFlags, log logger) (*recorder, error) {
	w, err := record.Create(flags.file, flags.size, version())
	if err != nil {
		return nil, err
	}
	w.Aside = tracer.Aside
	return &recorder{flags: flags, writer: w, log: log, marks: make(chan *markAsked, 64)}, nil
}

// start records until finish.
func (r *recorder) start(take func(paced bool) []*report.Report) {
	r.take, r.quit, r.ended = take, make(chan struct{}), make(chan struct{})
	go r.run()
}

func (r *recorder) run() {
	defer close(r.ended)
	runtime.LockOSThread() // its processor time is that of snapshots
	defer runtime.UnlockOSThread()
	budget := snapshotBudget{mostBudget, time.Now()}
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		var mark *markAsked
		select {
		case <-r.quit:
			return
		case mark = <-r.marks:
		case <-next.C:
		}
		began, before := time.Now(), live.ThreadTime()
		if mark != nil {
			r.keep(&mark.Mark, true)
			close(mark.made)
		} else {
			r.keep(nil, false)
		}
		next.Reset(max(r.flags.every-time.Since(began), budget.wait(time.Now(), live.ThreadTime()-before)))
	}
}

// snapshotBudget keeps the processor time of snapshots within a twentieth of one processor, on
// average: tracing comes first.
type snapshotBudget struct {
	left time.Duration
	last time.Time
}

// mostBudget is what is kept of the budget. The first snapshot, which names all stacks, may take
// some of it.
const mostBudget = time.Second

// wait notes what a snapshot took, and returns how long the next one has to wait.
func (b *snapshotBudget) wait(now time.Time, took time.Duration) time.Duration {
	const part = 20
	b.left = min(b.left+now.Sub(b.last)/part, mostBudget) - took
	b.last = now
	return max(-b.left*part, 0)
}

// keep writes a mark, if there is one, and a snapshot. What fails is said once; the next one is
// tried all the same.
func (r *recorder) keep(mark *record.Mark, exact bool) {
	var err error
	if mark != nil {
		err = r.writer.Mark(mark.Time, mark.Name)
	}
	if err == nil {
		err = r.writer.Snapshot(time.Now(), r.take(!exact), exact)
	}
	switch {
	case err != nil && r.broken == nil:
		r.since = time.Now()
		r.log.message("the record %s cannot be written: %v; tracing goes on, and what follows is tried again", r.flags.file, err)
	case err == nil && r.broken != nil:
		r.log.message("the record %s goes on; it has nothing of %v", r.flags.file, time.Since(r.since).Round(time.Second))
	}
	r.broken = err
}

// markAsked is a mark that is to be written; made is closed once it is.
type markAsked struct {
	record.Mark
	made chan struct{}
}

// mark has a mark written, and a snapshot of that moment in which all figures are exact. It waits
// for that, so that what comes later is not in it, but not for long.
func (r *recorder) mark(at time.Time, name string) {
	m := &markAsked{record.Mark{Time: at, Name: name}, make(chan struct{})}
	select {
	case r.marks <- m:
	default: // too many at once: the reports still have it
		return
	}
	select {
	case <-m.made:
	case <-r.ended:
	case <-time.After(time.Second):
	}
}

// finish writes the last snapshot, once the trace is over, and closes the file. It returns a note on
// a record that lacks its end, "" for a whole one.
func (r *recorder) finish() (note string) {
	close(r.quit)
	<-r.ended
	for len(r.marks) > 0 {
		m := <-r.marks
		_ = r.writer.Mark(m.Time, m.Name) // what is wrong shows below
	}
	r.keep(nil, true)
	err := r.broken
	if closeErr := r.writer.Close(err == nil); err == nil {
		err = closeErr
	}
	if err == nil {
		return ""
	}
	return fmt.Sprintf("The record %s lacks its end: %v.", r.flags.file, err)
}

// abandon closes the file of a trace that did not come to its end.
func (r *recorder) abandon() {
	if r.quit != nil {
		close(r.quit)
		<-r.ended
	}
	_ = r.writer.Close(false) // why the trace ended is returned
}

// snapshot is one for the record: all stacks, in the order of a report. Unless paced it has those that
// hold nothing any more, too.
func (s *session) snapshot(paced bool) []*report.Report {
	return s.noted(s.tracer.Snapshot(tracer.SnapshotOptions{Older: s.older, Sort: tracer.ByLeak, Past: !paced, Marks: s.marks.list(), Paced: paced}))
}

// openRecord creates the record, if one is asked for.
func (s *session) openRecord() (err error) {
	if s.record.file != "" {
		s.recorder, err = newRecorder(&s.record, s.log)
	}
	return err
}

// finishRecord writes the end of the record. Reports then say if it lacks that.
func (s *session) finishRecord() {
	if s.recorder != nil {
		s.recorded = s.recorder.finish()
		s.recorder = nil
	}
}

// abandonRecord leaves a record that was not finished as it is.
func (s *session) abandonRecord() {
	if s.recorder != nil {
		s.recorder.abandon()
		s.recorder = nil
	}
}

// noted adds to reports what only the command knows.
func (s *session) noted(reports []*report.Report) []*report.Report {
	s.stops.settle()
	for _, r := range reports {
		for _, note := range []string{s.stops.note(r), s.recorded, s.marks.note()} {
			if note != "" {
				r.Notes = append(r.Notes, note)
			}
		}
	}
	return reports
}
