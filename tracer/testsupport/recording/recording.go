// Package recording keeps what the probes reported of a program, for tests that replay it
// without a kernel.
package recording

import (
	"compress/gzip"
	"encoding/gob"
	"errors"
	"fmt"
	"os"

	"memtrace/tracer/event"
)

// Recording is a trace of one process.
type Recording struct {
	PID uint32
	// Start and End bound the trace, ns of CLOCK_MONOTONIC. Brk is the end of the brk heap.
	Start, End, Brk uint64
	Counters        event.Counters
	// Records are those of the ring buffer, in its order (bpf/event.h).
	Records [][]byte
}

// Write writes a recording to a file.
func (r *Recording) Write(name string) (err error) {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	packed, err := gzip.NewWriterLevel(file, gzip.BestCompression)
	if err != nil {
		return err
	}
	return errors.Join(gob.NewEncoder(packed).Encode(r), packed.Close())
}

// Read reads a recording from a file.
func Read(name string) (*Recording, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	packed, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("read the recording %s: %w", name, err)
	}
	r := new(Recording)
	if err := gob.NewDecoder(packed).Decode(r); err != nil {
		return nil, fmt.Errorf("read the recording %s: %w", name, err)
	}
	return r, nil
}
