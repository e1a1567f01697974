package unwind

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"testing"

	"memtrace/symbolize/elffile"
	"memtrace/tracer/testsupport/testprog"

	"github.com/google/go-cmp/cmp"
)

// TestWithoutSections checks that a file whose section headers are absent, damaged or cut off
// gives the same table by way of its program headers.
func TestWithoutSections(t *testing.T) {
	testprog.Long(t)
	for _, files := range [][]string{libcFiles, llvmFiles} { // by GNU ld and by lld
		path := systemFile(t, files)
		t.Run(path, func(t *testing.T) {
			image := readFile(t, path)
			// Use a new dictionary each time: runs that already exist are used more often.
			want, stats, err := BuildFromBytes(image, new(Dictionary))
			if err != nil || stats.Source != SourceEhFrame {
				t.Fatalf("source %v, error %v", stats.Source, err)
			}
			for name, patch := range map[string]func(h *elf.Header64){
				"absent":       func(h *elf.Header64) { h.Shoff, h.Shnum, h.Shstrndx = 0, 0, 0 },
				"out of range": func(h *elf.Header64) { h.Shoff = uint64(len(image)) },
				"no names":     func(h *elf.Header64) { h.Shstrndx = h.Shnum },
			} {
				got, stats, err := BuildFromBytes(patchHeader(t, image, patch), new(Dictionary))
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if stats.Source != SourceEhFrameHdr {
					t.Errorf("%s: source %v, want PT_GNU_EH_FRAME", name, stats.Source)
				}
				// Without sections, what little code has no FDEs is not analysed.
				want := want
				if name != "no names" {
					want = framesOnly(t, image)
				}
				if !cmp.Equal(want, got) {
					t.Errorf("%s: the tables differ: %d rows, want %d", name, len(got.Rows), len(want.Rows))
				}
			}
		})
	}
}

// framesOnly builds the table of an image's FDEs alone.
func framesOnly(t *testing.T, image []byte) *Table {
	t.Helper()
	file, err := elffile.Open(bytes.NewReader(image), int64(len(image)), elffile.NewFileBudget())
	if err != nil {
		t.Fatal(err)
	}
	section, _, err := readFrames(file)
	if err != nil {
		t.Fatal(err)
	}
	table, _ := buildTable(section, nil, executableSegments(file), nil, new(Dictionary))
	return table
}

// patchHeader returns a copy of the image with its ELF header changed.
func patchHeader(t *testing.T, image []byte, patch func(*elf.Header64)) []byte {
	t.Helper()
	image = bytes.Clone(image)
	var h elf.Header64
	if _, err := binary.Decode(image, binary.LittleEndian, &h); err != nil {
		t.Fatal(err)
	}
	patch(&h)
	if _, err := binary.Encode(image, binary.LittleEndian, &h); err != nil {
		t.Fatal(err)
	}
	return image
}

func TestBuildErrors(t *testing.T) {
	image := readFile(t, compile(t, "freestanding.c", "-nostdlib", "-static"))
	for _, test := range []struct {
		name  string
		image []byte
		want  error // nil for any
	}{
		{"empty", nil, nil},
		{"text file", []byte("#!/bin/sh\n"), nil},
		{"header alone", image[:20], nil},
		{"nothing", patchHeader(t, image, func(h *elf.Header64) { h.Phnum, h.Shoff, h.Shnum, h.Shstrndx = 0, 0, 0, 0 }), ErrNoFrames},
		{"other machine", patchHeader(t, image, func(h *elf.Header64) { h.Machine = uint16(elf.EM_AARCH64) }), ErrMachine},
	} {
		table, _, err := BuildFromBytes(test.image, new(Dictionary))
		if table != nil || err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: table %v, error %v, want error %v", test.name, table, err, test.want)
		}
	}
}
