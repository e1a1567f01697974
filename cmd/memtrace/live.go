package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"memtrace/cmd/memtrace/live"
	"memtrace/tracer"
	"memtrace/tracer/diagnose"
	"memtrace/tracer/report"
)

// liveScreen is a terminal that can show a live view.
type liveScreen struct{ in, out *os.File }

// liveScreen returns the terminal that a live view is for, nil if there is to be none: where
// something else than the usual report at the end is asked for, or nobody looks.
func (o *options) liveScreen(stdin io.Reader, stdout io.Writer) *liveScreen {
	other := o.noLive || o.quiet || o.growth || len(o.command) > 0 || o.duration > 0 || o.interval > 0 ||
		o.output != "" || o.format != formatText
	in, isFile := stdin.(*os.File)
	if other || !isFile || in == nil || !isTerminal(in) || !isTerminal(stdout) {
		return nil
	}
	if name := os.Getenv("TERM"); name == "" || name == "dumb" {
		return nil
	}
	// What runs in the background is stopped when it touches the terminal. A terminal that is not
	// the controlling one has no job control.
	if front, err := unix.IoctlGetInt(int(in.Fd()), unix.TIOCGPGRP); err == nil && front != unix.Getpgrp() {
		return nil
	}
	return &liveScreen{in: in, out: stdout.(*os.File)}
}

// liveStacks is how many stacks of a process the live view has: more than anybody looks through,
// so that a filter finds what is there.
const liveStacks = 1000

// watch runs the trace to its end beside a live view. The trace ends when the user quits.
func (s *session) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done, wait := s.trace(ctx)
	defer wait()
	defer cancel()

	view := live.New(live.Config{
		In: s.screen.in, Out: s.screen.out, Color: s.out.text.Color,
		Sorts: s.sorts(), Look: s.look,
		Forms: report.Names(), Save: s.save, Mark: s.mark,
		Note: s.stops.String,
	})
	s.log.held.begin(view.Say, isTerminal(s.log.w))
	if s.recorder != nil {
		s.recorder.start(s.snapshot) // before keys make marks
	}
	viewing, quit := context.WithCancel(ctx)
	defer quit()
	gone := make(chan error, 1)
	go func() { gone <- view.Run(viewing) }()

	on, end := s.occasions()
	defer end()
	var err error
	for shown, traced := true, true; shown || traced; {
		select {
		case err = <-done:
			traced = false
			quit()
		case viewErr := <-gone:
			shown = false
			if viewErr == nil && viewing.Err() == nil {
				countAsSignal()
			}
			s.shownNoMore(viewErr)
			cancel()
		case <-on.tick:
			s.limitMemory(s.tracer.Status())
		case <-on.mark:
			view.Mark()
		case <-on.markTick:
			view.Mark()
		case <-on.demand:
			view.Save()
		}
	}
	return err
}

// countAsSignal has the key that ended the view count as the first signal, as Ctrl-C is without a
// view: the next one then quits.
func countAsSignal() {
	_ = unix.Kill(unix.Getpid(), unix.SIGINT) // it may always signal itself
}

// shownNoMore writes what was said while the view had the screen, and why it ended if that was
// not asked for: the trace ends then, too, since nobody would know of it.
func (s *session) shownNoMore(err error) {
	for _, text := range s.log.held.end() {
		s.log.message("%s", text)
	}
	if err != nil {
		s.log.message("%v", err)
	}
}

// sorts are the orders of stacks, the one that was asked for first.
func (s *session) sorts() []string {
	names := []string{string(s.sort)}
	for _, by := range diagnose.Orders {
		if by != s.sort {
			names = append(names, string(by))
		}
	}
	return names
}

// look makes the reports that the live view shows.
func (s *session) look(sort string) []*report.Report {
	by := tracer.Order(sort)
	return s.tracer.Snapshot(tracer.SnapshotOptions{Older: s.older, Top: liveStacks, Sort: by, Past: by.OfPast(), Marks: s.marks.list(), Paced: true, Heap: s.heapLooks.of})
}

// save writes a report as it is now to a file that is not there yet.
func (s *session) save(name, path string) (err error) {
	form, _ := report.FindForm(name) // the view has the names from the same table
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("write %s: %w", path, os.ErrExist)
	}
	file, err := newOutFile(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := &output{w: file, file: file, form: form, text: s.layOut(file, false)}
	top := s.top
	if form.Top > 0 && !s.topGiven {
		top = form.Top
	}
	return out.write(s.reports(form, top))
}
