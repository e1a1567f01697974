package unwind

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"math"

	"memtrace/symbolize/elffile"
)

var (
	// ErrNoFrames means that the file has no call frame information.
	ErrNoFrames = errors.New("no call frame information")
	// ErrMachine means that the file is not a 64-bit little-endian x86-64 ELF file.
	ErrMachine = errors.New("not an x86-64 ELF file")
)

// Build reads the ELF file f of size bytes and returns the table for its text. The rows of the
// table index into d. Damaged or unusual parts of the call frame information are left out and
// counted in Stats; the addresses that they cover have the rule CFAUnknown.
//
// The error wraps ErrNoFrames, ErrMachine or an error from reading f. Rules that were added to
// d by then stay in it.
func Build(f io.ReaderAt, size int64, d *Dictionary) (*Table, Stats, error) {
	var stats Stats
	budget := elffile.NewFileBudget()
	file, err := elffile.Open(f, size, budget)
	if errors.Is(err, elffile.ErrForeign) {
		return nil, stats, fmt.Errorf("%w: %w", ErrMachine, err)
	}
	if err != nil {
		return nil, stats, fmt.Errorf("parse ELF file: %w", err)
	}
	if file.Machine != elf.EM_X86_64 {
		return nil, stats, fmt.Errorf("%w: %v", ErrMachine, file.Machine)
	}
	text := executableSegments(file)
	golang := readGolang(file, budget)
	section, source, err := readFrames(file)
	if err != nil && golang == nil && !errors.Is(err, ErrNoFrames) {
		return nil, stats, fmt.Errorf("read call frame information: %w", err)
	}
	table, stats := buildTable(section, golang, text, file, d)
	stats.Source = source
	if err != nil && golang == nil && stats.Analysed == 0 {
		return nil, stats, fmt.Errorf("read call frame information: %w", err)
	}
	return table, stats, nil
}

// BuildFromBytes is Build for an ELF file in memory, such as the vDSO's image, which is a
// complete file as the kernel maps it.
func BuildFromBytes(image []byte, d *Dictionary) (*Table, Stats, error) {
	return Build(bytes.NewReader(image), int64(len(image)), d)
}

// buildTable builds the table of the FDEs and Go functions that lie in text, the executable
// segments, and of the file's code without either. file may be nil.
func buildTable(f frames, g *golang, text []addresses, file *elffile.File, d *Dictionary) (*Table, Stats) {
	var stats Stats
	b := builder{frames: f, golang: g, text: text, low: math.MaxUint64, dict: d, stats: &stats}
	for _, t := range text {
		b.low = min(b.low, t.start&^(pageSize-1))
		stats.ExecutableBytes += t.end - t.start
	}
	b.collect()
	if file != nil {
		b.analyse(file)
	}
	table := b.assemble()
	joinRuns(table, d)
	stats.TableRows = len(table.Rows)
	return table, stats
}
