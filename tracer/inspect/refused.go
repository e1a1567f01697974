package inspect

import (
	"errors"
	"fmt"
	"io/fs"

	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/process/refusal"
	"memtrace/tracer/region"
	"memtrace/tracer/region/proc"
)

// refused says why the heap of a process cannot be read.
func refused(p *proc.Process, err error) error {
	who := fmt.Sprintf("process %d (%s)", p.PID, p.Command)
	switch {
	case errors.Is(err, ptmalloc.ErrNotGlibc):
		return fmt.Errorf("%s: only heaps of glibc's malloc can be read: %w", who, err)
	case errors.Is(err, ptmalloc.ErrVersion), errors.Is(err, ptmalloc.ErrNotFound):
		return fmt.Errorf("%s: its heap cannot be read: %w", who, err)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("open the heap of %s: %w: %s", who, region.ErrNotPermitted, refusal.OfMemory(p.PID))
	}
	return fmt.Errorf("open the heap of %s: %w", who, err)
}

// advice is what makes a look possible.
var advice = []struct {
	err  error
	what string
}{
	{ErrMemory, "allow more with --max-memory"},
	{ErrStall, "allow more with --max-stall"},
	{ErrTraced, "look without --freeze, or detach it"},
}

// Refused reports whether no look is possible for a reason that Advised knows.
func Refused(err error) bool {
	for _, a := range advice {
		if errors.Is(err, a.err) {
			return true
		}
	}
	return false
}

// Advised adds to an error what makes a look possible, if that is known.
func Advised(err error) error {
	for _, a := range advice {
		if errors.Is(err, a.err) {
			return fmt.Errorf("%w: %s", err, a.what)
		}
	}
	return err
}
