package inspect

import (
	"context"
	"errors"
	"os"
	"testing"

	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/region/proc"
)

// A look after one that found a program whose heap cannot be read tries again.
func TestLookAgain(t *testing.T) {
	p, err := proc.Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	l := &Looker{cfg: Config{PID: p.PID}, process: p} // as Look leaves it then: without a walker
	defer l.Close()
	for range 2 {
		// This program may have glibc's malloc or none.
		if err := l.Look(context.Background()); err != nil && !errors.Is(err, ptmalloc.ErrNotGlibc) {
			t.Errorf("%v", err)
		}
	}
	l.gone = true
	if err := l.Look(context.Background()); !Gone(err) {
		t.Errorf("%v", err)
	}
}
