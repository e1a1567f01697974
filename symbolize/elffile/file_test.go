package elffile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// build returns an ELF file that consists of headers and filler.
func build(t *testing.T, h elf.Header64, segments []elf.Prog64, sections []elf.Section64, rest []byte) []byte {
	t.Helper()
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB)
	h.Phoff, h.Phentsize = headerSize, segmentSize
	if h.Phnum == 0 {
		h.Phnum = uint16(len(segments))
	}
	if len(sections) > 0 {
		h.Shoff, h.Shentsize = headerSize+uint64(len(segments))*segmentSize, sectionSize
	}
	var out bytes.Buffer
	for _, part := range []any{h, segments, sections, rest} {
		if err := binary.Write(&out, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func open(data []byte) (*File, error) {
	return Open(bytes.NewReader(data), int64(len(data)), NewBudget())
}

func TestOpenErrors(t *testing.T) {
	good := build(t, elf.Header64{}, nil, nil, nil)
	foreign := bytes.Clone(good)
	foreign[elf.EI_CLASS] = byte(elf.ELFCLASS32)
	bigEndian := bytes.Clone(good)
	bigEndian[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
	for name, test := range map[string]struct {
		data []byte
		want error
	}{
		"empty":             {nil, ErrNotELF},
		"text":              {bytes.Repeat([]byte("text"), 100), ErrNotELF},
		"cut short":         {good[:30], ErrNotELF},
		"32 bits":           {foreign, ErrForeign},
		"big-endian":        {bigEndian, ErrForeign},
		"segments are gone": {build(t, elf.Header64{Phnum: 100}, nil, nil, nil), ErrMalformed},
		"too many segments": {build(t, elf.Header64{Phnum: 60_000}, nil, nil, make([]byte, 60_000*segmentSize)), ErrMalformed},
		"good":              {good, nil},
	} {
		if _, err := open(test.data); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

// A sparse file may be larger than any memory, and claim just as many sections.
func TestHugeSectionCount(t *testing.T) {
	data := build(t, elf.Header64{}, nil, []elf.Section64{{Size: 1 << 40}}, nil)
	f, err := Open(bytes.NewReader(data), 1<<60, NewBudget())
	if err != nil || f.Sections != nil {
		t.Errorf("%d sections, %v", len(f.Sections), err)
	}
}

func TestSectionBounds(t *testing.T) {
	zlibHeader := make([]byte, compressionHeaderSize+100)
	binary.LittleEndian.PutUint32(zlibHeader, uint32(elf.COMPRESS_ZLIB))
	binary.LittleEndian.PutUint64(zlibHeader[8:], 1<<40)
	const at = headerSize + 5*sectionSize
	data := build(t, elf.Header64{Shnum: 5}, nil, []elf.Section64{
		{},
		{Type: uint32(elf.SHT_PROGBITS), Off: at, Size: 1 << 62},
		{Type: uint32(elf.SHT_PROGBITS), Off: ^uint64(0), Size: 2},
		{Type: uint32(elf.SHT_PROGBITS), Off: at, Size: uint64(len(zlibHeader)), Flags: uint64(elf.SHF_COMPRESSED)},
		{Type: uint32(elf.SHT_PROGBITS), Off: at, Size: 50},
	}, zlibHeader)
	f, err := open(data)
	if err != nil || len(f.Sections) != 5 {
		t.Fatal(err, len(f.Sections))
	}
	for i, want := range []error{nil, ErrMalformed, ErrMalformed, ErrMalformed, ErrBudget} {
		if _, err := f.Data(&f.Sections[i], 49); !errors.Is(err, want) {
			t.Errorf("section %d: %v, want %v", i, err, want)
		}
	}
}

func TestVaddr(t *testing.T) {
	load := func(flags elf.ProgFlag, off, vaddr, size uint64) elf.Prog64 {
		return elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(flags), Off: off, Vaddr: vaddr, Filesz: size, Memsz: size}
	}
	// The file is prelinked, and its code starts inside a page.
	f, err := open(build(t, elf.Header64{}, []elf.Prog64{
		load(elf.PF_R, 0, 0x3000000000, 0x2340),
		load(elf.PF_R|elf.PF_X, 0x2340, 0x3000003340, 0x1000),
		load(elf.PF_R|elf.PF_X, 0x8000, 0x3000020000, 0x1000),
	}, nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	for off, want := range map[uint64]uint64{
		0x1fff: 0, 0x2000: 0x3000003000, 0x2340: 0x3000003340, 0x333f: 0x300000433f, 0x3340: 0, 0x8010: 0x3000020010, 0x9000: 0,
	} {
		if got, ok := f.Vaddr(off); got != want || ok != (want != 0) {
			t.Errorf("Vaddr(%#x) = %#x, %v, want %#x", off, got, ok, want)
		}
	}
	if f.Executable(0x3000000000) || !f.Executable(0x3000003340) || f.Executable(0x3000004340) {
		t.Error("Executable is wrong about an address")
	}
}

// Memory may have no contents in the file, by its kind or since the file was cut short.
func TestAt(t *testing.T) {
	const contents = headerSize + 3*segmentSize
	data := build(t, elf.Header64{}, []elf.Prog64{
		{Type: uint32(elf.PT_NOTE), Off: contents, Vaddr: 0x1000, Filesz: 4, Memsz: 4},
		{Type: uint32(elf.PT_LOAD), Off: contents, Vaddr: 0x1000, Filesz: 4, Memsz: 0x1000},
		{Type: uint32(elf.PT_LOAD), Off: contents + 4, Vaddr: 0x3000, Filesz: 1 << 40, Memsz: 1 << 40},
	}, nil, []byte("abcdefgh"))
	f, err := open(data)
	if err != nil {
		t.Fatal(err)
	}
	for vaddr, want := range map[uint64]string{
		0xfff: "", 0x1000: "abcd", 0x1003: "d", 0x1004: "", 0x2fff: "", 0x3001: "fgh", 0x3004: "", ^uint64(0): "",
	} {
		got := ""
		if r := f.At(vaddr); r != nil {
			all, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			got = string(all)
		}
		if got != want {
			t.Errorf("at %#x: %q, want %q", vaddr, got, want)
		}
	}
}

func TestBuildID(t *testing.T) {
	note := func(name string, kind uint32, desc []byte) []byte {
		var out bytes.Buffer
		for _, part := range []any{uint32(len(name) + 1), uint32(len(desc)), kind, []byte(name + "\x00")} {
			if err := binary.Write(&out, binary.LittleEndian, part); err != nil {
				t.Fatal(err)
			}
		}
		out.Write(make([]byte, -out.Len()&3))
		out.Write(desc)
		out.Write(make([]byte, -out.Len()&3))
		return out.Bytes()
	}
	other := note("Go", 4, []byte("go build ID"))
	for name, test := range map[string]struct {
		notes []byte
		want  string
	}{
		"second":      {append(bytes.Clone(other), note("GNU", noteGNUBuildID, []byte{0xab, 0xcd})...), "abcd"},
		"none":        {other, ""},
		"too long":    {note("GNU", noteGNUBuildID, make([]byte, maxBuildID+1)), ""},
		"cut short":   {note("GNU", noteGNUBuildID, []byte{1, 2, 3, 4})[:17], ""},
		"huge name":   {[]byte{0xff, 0xff, 0xff, 0xff, 4, 0, 0, 0, 3, 0, 0, 0, 'G'}, ""},
		"empty notes": {make([]byte, 64), ""},
	} {
		segment := elf.Prog64{Type: uint32(elf.PT_NOTE), Off: headerSize + segmentSize, Filesz: uint64(len(test.notes)), Align: 4}
		f, err := open(build(t, elf.Header64{}, []elf.Prog64{segment}, nil, test.notes))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.BuildID(); got != test.want {
			t.Errorf("%s: build ID %q, want %q", name, got, test.want)
		}
	}
}

func TestBudget(t *testing.T) {
	b := NewBudget()
	if err := b.Keep(maxKept + 1); !errors.Is(err, ErrBudget) {
		t.Errorf("Keep of too much: %v", err)
	}
	if err := b.Keep(maxKept); err != nil {
		t.Errorf("Keep of all: %v", err)
	}
	if err := b.Keep(1); !errors.Is(err, ErrBudget) {
		t.Errorf("Keep of more: %v", err)
	}
	b.Release(2)
	if err := b.Keep(1); err != nil {
		t.Errorf("Keep of what was given back: %v", err)
	}
}
