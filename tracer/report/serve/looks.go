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
	// lookShare is the most of the time that looks, and the forms made of them, may take.
	lookShare = 0.02
	// mostKept is how many bytes of forms are kept until the next look.
	mostKept = 64 << 20
)

// errClosed means that the trace is over.
var errClosed = errors.New("the trace is over")

// looks makes reports, and forms of them, one at a time: a report may name its stacks as it is
// written. Whoever asks while the last look is new enough gets that one.
type looks struct {
	look func() ([]*report.Report, error)
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

func newLooks(look func() ([]*report.Report, error)) *looks {
	l := &looks{look: look, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// form returns what write makes of the reports. Equal keys stand for equal forms.
func (l *looks) form(ctx context.Context, key string, write func(io.Writer, []*report.Report) error) ([]byte, error) {
	select {
	case <-l.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { l.turn <- struct{}{} }()
	if l.closed {
		return nil, errClosed
	}
	start := time.Now()
	if l.reports == nil || start.Sub(l.at) >= l.lasts() {
		reports, err := l.look()
		if err != nil {
			return nil, err
		}
		l.before, l.cost = l.cost, 0
		l.reports, l.at = reports, start
		l.forget()
	}
	text, ok := l.kept[key]
	if !ok {
		var b bytes.Buffer
		if err := write(&b, l.reports); err != nil {
			return nil, err
		}
		text = b.Bytes()
		l.keep(key, text)
	}
	l.cost += time.Since(start)
	return text, nil
}

// lasts is the age from which the last look is too old. One look that took long, as the first does
// that reads the names of functions, says nothing of the next.
func (l *looks) lasts() time.Duration {
	cost := min(l.cost, l.before)
	return min(max(time.Duration(float64(cost)/lookShare), leastAge), mostAge)
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
