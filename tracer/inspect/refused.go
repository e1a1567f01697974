package inspect

import (
	"errors"
	"fmt"

	"memtrace/tracer/process/ptmalloc"
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
	return fmt.Errorf("open the heap of %s: %w", who, err)
}
