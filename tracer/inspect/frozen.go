package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"memtrace/tracer/inspect/freeze"
	"memtrace/tracer/report"
)

var (
	// ErrStall means that a process was not stopped for a picture, or was let go before that was
	// taken, since it would have taken longer than Config.MaxStall.
	ErrStall = errors.New("more than it may be stopped for")
	// ErrTraced means that a process cannot be stopped, because it is under ptrace already.
	ErrTraced = errors.New("it is under ptrace already, and cannot be stopped by another")
)

// freeze takes a picture of the process.
func (l *Looker) freeze(ctx context.Context) (*freeze.Picture, error) {
	cfg := freeze.Config{PID: l.cfg.PID, MaxStall: l.cfg.MaxStall}
	if l.cfg.MaxMemory > 0 {
		// A seventh of the copy is enough for what is made of it, with blocks of some hundred bytes.
		const part = 7
		cfg.MaxBytes = (l.cfg.MaxMemory - min(l.cfg.MaxMemory, fixedBytes)) / (part + 1) * part
	}
	cfg.Stopped = func(took time.Duration) {
		l.stops.Times++
		l.stops.LongestSeconds = max(l.stops.LongestSeconds, took.Seconds())
		l.stops.Seconds += took.Seconds()
	}
	p, err := freeze.Take(ctx, cfg)
	if err != nil {
		return nil, l.notFrozen(err)
	}
	l.stops.CopiedBytes = p.Copy.Bytes()
	return p, nil
}

// notFrozen says in one line why there is no picture.
func (l *Looker) notFrozen(err error) error {
	who := fmt.Sprintf("process %d (%s)", l.cfg.PID, l.process.Command)
	var traced *freeze.TracedError
	var stall *freeze.StallError
	var room *freeze.RoomError
	switch {
	case errors.As(err, &traced):
		return fmt.Errorf("%s is traced by %s (pid %d): %w", who, traced.Name, traced.PID, ErrTraced)
	case errors.As(err, &stall) && stall.Needed > 0:
		return fmt.Errorf("%s would be stopped for about %v, to copy %s at %s: %w (%v)", who, stall.Needed.Round(time.Millisecond),
			report.Size(stall.Bytes), report.Rate(stall.Rate), ErrStall, stall.Max)
	case errors.As(err, &stall):
		return fmt.Errorf("%s was let go before all of its %s were copied: that takes %w (%v)", who, report.Size(stall.Bytes), ErrStall, stall.Max)
	case errors.As(err, &room):
		return l.tooLarge(report.Size(room.Bytes) + " to copy")
	}
	return fmt.Errorf("stop %s and copy it: %w", who, err)
}

// use has a picture looked at, or the running process if it is nil.
func (l *Looker) use(p *freeze.Picture) {
	if p == nil {
		l.walker.Use(nil)
		l.symbols.Use(nil)
		return
	}
	l.walker.Use(p.Copy)
	l.symbols.Use(p.Copy.Maps)
}

// stopNote says what stopping the process has done to it.
const stopNote = "While the process was stopped nothing ran in it. Calls that waited, such as epoll_wait and semop, returned EINTR in it then."
