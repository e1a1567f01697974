package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"memtrace/tracer/report"
)

const (
	// leastAge and mostAge bound the time between two looks.
	leastAge = time.Second
	mostAge  = time.Minute
	// mostKept is how many bytes of forms are kept until the next look.
	mostKept = 64 << 20
)

// errClosed means that the trace is over.
var errClosed = errors.New("the trace is over")

// looks makes reports, and forms of them, one at a time: a report may name its stacks as it is
// written. Whoever asks while the last look is new enough gets that one.
type looks struct {
	look func() ([]*report.Report, error)
	// budget is that of everything that is served.
	budget *budget
	// turn holds a value while nobody is at work.
	turn chan struct{}

	closed  bool
	reports []*report.Report
	at      time.Time
	// cost is what the look and its forms took, before the same of the look before.
	cost, before time.Duration
	kept         map[string][]byte
	keptBytes    int
}

func newLooks(look func() ([]*report.Report, error), budget *budget) *looks {
	l := &looks{look: look, budget: budget, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// form returns what write makes of the reports. Equal keys stand for equal forms. Where the budget is
// spent, forms are not made anew. Those that nobody has by default leave half of it to the others.
func (l *looks) form(ctx context.Context, key string, usual bool, write func(io.Writer, []*report.Report) error) ([]byte, error) {
	select {
	case <-l.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { l.turn <- struct{}{} }()
	if l.closed {
		return nil, errClosed
	}
	least := time.Duration(1)
	if !usual {
		least = mostSaved / 2
	}
	start := time.Now()
	old := l.old(start)
	text, ok := l.kept[key]
	if ok && !old {
		return text, nil
	}
	if wait := l.budget.wait(start, least); !ok && wait > 0 {
		return nil, spentError(wait)
	}
	defer l.worked(start, l.reports == nil)
	if old {
		reports, err := l.look()
		if err != nil {
			return nil, err
		}
		l.before, l.cost = l.cost, 0
		l.reports, l.at = reports, start
		l.forget()
	}
	var b bytes.Buffer
	if err := write(&b, l.reports); err != nil {
		return nil, err
	}
	l.keep(key, b.Bytes())
	return b.Bytes(), nil
}

// worked notes what took from start until now.
func (l *looks) worked(start time.Time, first bool) {
	const mostOfFirst = mostSaved / 4 // the names of functions are read once
	now := time.Now()
	took := now.Sub(start)
	l.cost += took
	if first {
		took = min(took, mostOfFirst)
	}
	l.budget.use(now, took)
}

// old reports whether a new look is due: the last one is old enough, and there is the time for as much
// work as it made. One look that took long, as the first does that reads the names of functions, says
// nothing of the next.
func (l *looks) old(now time.Time) bool {
	if l.reports == nil {
		return true
	}
	cost := min(l.cost, l.before)
	age := min(max(time.Duration(float64(cost)/workShare), leastAge), mostAge)
	return now.Sub(l.at) >= age && l.budget.wait(now, min(cost, mostSaved)) == 0
}

func (l *looks) keep(key string, text []byte) {
	if l.keptBytes+len(text) > mostKept {
		l.forget()
	}
	l.kept[key] = text
	l.keptBytes += len(text)
}

func (l *looks) forget() { l.kept, l.keptBytes = make(map[string][]byte), 0 }

// close waits for whoever is at work. No look is made after that.
func (l *looks) close() {
	<-l.turn
	l.closed, l.reports, l.kept = true, nil, nil
	l.turn <- struct{}{}
}
