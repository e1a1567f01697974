// Package elffile reads untrusted ELF files. It checks every count and size against the file
// and against a Budget before it allocates or reads anything. debug/elf trusts its input too
// much for a tool that runs as root on other users' files.
//
// It reads 64-bit little-endian files and knows headers, notes and section contents. What the
// sections mean is left to its callers. It is hand-written because debug/elf allocates what a header
// claims: with files of some KB, memtrace was killed at 2.5 GB (docs/LIBRARIES.md).
package elffile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

var (
	// ErrNotELF means that a file does not start like an ELF file.
	ErrNotELF = errors.New("not an ELF file")
	// ErrForeign means that an ELF file is 32-bit or big-endian.
	ErrForeign = errors.New("not a 64-bit little-endian ELF file")
	// ErrMalformed means that headers contradict the file.
	ErrMalformed = errors.New("malformed ELF file")
)

const (
	headerSize  = 64
	segmentSize = 56
	sectionSize = 64

	// maxSegments and maxSections bound what headers claim. A linker emits a few dozen
	// segments; only object files have many sections.
	maxSegments = 4096
	// maxExecutable bounds the executable segments that count. A file has one, or a few.
	maxExecutable = 64
	maxSections   = 1 << 16
	// maxNames is the most that is read of the section names, in bytes.
	maxNames       = 1 << 20
	maxSectionName = 128
)

// File is an open ELF file. Its reader must stay open as long as the File is used.
type File struct {
	Type     elf.Type
	Machine  elf.Machine
	Entry    uint64 // address
	Segments []elf.ProgHeader
	Sections []elf.SectionHeader
	// Damaged is the reason why Sections is empty although the file claims to have some.
	Damaged error

	executable []elf.ProgHeader // PT_LOAD segments that are executable
	r          io.ReaderAt
	size       uint64
	budget     *Budget
}

// Open reads the headers of a file of size bytes.
func Open(r io.ReaderAt, size int64, budget *Budget) (*File, error) {
	if size < 0 {
		return nil, ErrMalformed
	}
	f := &File{r: r, size: uint64(size), budget: budget}
	raw, err := f.read(0, headerSize)
	if err != nil || !bytes.HasPrefix(raw, []byte(elf.ELFMAG)) {
		return nil, ErrNotELF
	}
	if elf.Class(raw[elf.EI_CLASS]) != elf.ELFCLASS64 || elf.Data(raw[elf.EI_DATA]) != elf.ELFDATA2LSB {
		machine := elf.Machine(binary.LittleEndian.Uint16(raw[elf.EI_NIDENT+2:]))
		return nil, fmt.Errorf("%w: %v %v", ErrForeign, elf.Class(raw[elf.EI_CLASS]), machine)
	}
	var h elf.Header64
	decode(raw, &h)
	f.Type, f.Machine, f.Entry = elf.Type(h.Type), elf.Machine(h.Machine), h.Entry
	if err := f.readSegments(&h); err != nil {
		return nil, fmt.Errorf("read program headers: %w", err)
	}
	// A program runs without section headers: a file that was cut short or packed still has
	// its segments.
	if err := f.readSections(&h); err != nil {
		f.Sections, f.Damaged = nil, fmt.Errorf("read section headers: %w", err)
	}
	return f, nil
}

// decode cannot fail, because raw is as long as v.
func decode(raw []byte, v any) { _, _ = binary.Decode(raw, binary.LittleEndian, v) }

// read returns n bytes at off, after checking that the file has them.
func (f *File) read(off, n uint64) ([]byte, error) {
	if off > f.size || n > f.size-off || n > math.MaxInt32 {
		return nil, ErrMalformed
	}
	if err := f.budget.Work(n); err != nil {
		return nil, err
	}
	buf := make([]byte, n)
	if _, err := f.r.ReadAt(buf, int64(off)); err != nil && !(err == io.EOF && n == 0) {
		return nil, err
	}
	return buf, nil
}

func (f *File) readSegments(h *elf.Header64) error {
	if h.Phnum == 0 {
		return nil
	}
	if h.Phentsize != segmentSize || h.Phnum > maxSegments {
		return ErrMalformed
	}
	raw, err := f.read(h.Phoff, uint64(h.Phnum)*segmentSize)
	if err != nil {
		return err
	}
	f.Segments = make([]elf.ProgHeader, h.Phnum)
	for i := range f.Segments {
		var p elf.Prog64
		decode(raw[i*segmentSize:][:segmentSize], &p)
		f.Segments[i] = elf.ProgHeader{
			Type: elf.ProgType(p.Type), Flags: elf.ProgFlag(p.Flags), Off: p.Off, Vaddr: p.Vaddr,
			Paddr: p.Paddr, Filesz: p.Filesz, Memsz: p.Memsz, Align: p.Align,
		}
		if s := f.Segments[i]; s.Type == elf.PT_LOAD && s.Flags&elf.PF_X != 0 && len(f.executable) < maxExecutable {
			f.executable = append(f.executable, s)
		}
	}
	return nil
}

func (f *File) readSections(h *elf.Header64) error {
	if h.Shoff == 0 {
		return nil
	}
	if h.Shentsize != sectionSize {
		return ErrMalformed
	}
	count, names := uint64(h.Shnum), uint32(h.Shstrndx)
	if count == 0 || names == uint32(elf.SHN_XINDEX) {
		// Numbers that do not fit the header are in the first section.
		raw, err := f.read(h.Shoff, sectionSize)
		if err != nil {
			return err
		}
		var first elf.Section64
		decode(raw, &first)
		if count == 0 {
			count = first.Size
		}
		if names == uint32(elf.SHN_XINDEX) {
			names = first.Link
		}
	}
	if count > maxSections {
		return ErrMalformed
	}
	raw, err := f.read(h.Shoff, count*sectionSize)
	if err != nil {
		return err
	}
	f.Sections = make([]elf.SectionHeader, count)
	nameOffsets := make([]uint32, count)
	for i := range f.Sections {
		var s elf.Section64
		decode(raw[i*sectionSize:][:sectionSize], &s)
		nameOffsets[i] = s.Name
		f.Sections[i] = elf.SectionHeader{
			Type: elf.SectionType(s.Type), Flags: elf.SectionFlag(s.Flags), Addr: s.Addr, Offset: s.Off,
			Size: s.Size, Link: s.Link, Info: s.Info, Addralign: s.Addralign, Entsize: s.Entsize, FileSize: s.Size,
		}
	}
	f.nameSections(names, nameOffsets)
	return nil
}

// nameSections sets the names of sections. A name that cannot be read stays empty.
func (f *File) nameSections(table uint32, offsets []uint32) {
	if uint64(table) >= uint64(len(f.Sections)) {
		return
	}
	s := &f.Sections[table]
	if s.Type != elf.SHT_STRTAB {
		return
	}
	names, err := f.read(s.Offset, min(s.Size, maxNames))
	if err != nil {
		return
	}
	for i, off := range offsets {
		if uint64(off) >= uint64(len(names)) {
			continue
		}
		name := names[off:min(int(off)+maxSectionName, len(names))]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			f.Sections[i].Name = string(name[:end])
		}
	}
}

// Section returns the first section of that name, or nil.
func (f *File) Section(name string) *elf.SectionHeader {
	for i := range f.Sections {
		if f.Sections[i].Name == name {
			return &f.Sections[i]
		}
	}
	return nil
}

// Vaddr translates an offset in the file to the address that the code there has before
// relocation, through the executable PT_LOAD segment that holds it.
func (f *File) Vaddr(offset uint64) (uint64, bool) {
	for i := range f.executable {
		p := &f.executable[i]
		// The kernel maps whole pages: code that shares the segment's first page with what
		// precedes it in the file is mapped below p.Off.
		start := p.Off - p.Off%pageSize
		if offset >= start && offset-start < p.Filesz+p.Off%pageSize {
			return offset - p.Off + p.Vaddr, true
		}
	}
	return 0, false
}

// pageSize is the smallest page size. With larger pages a segment's first page holds more of
// what precedes it, none of it code.
const pageSize = 4096

// Executable reports whether the address is inside an executable segment.
func (f *File) Executable(vaddr uint64) bool {
	for i := range f.executable {
		if p := &f.executable[i]; vaddr >= p.Vaddr && vaddr-p.Vaddr < p.Memsz {
			return true
		}
	}
	return false
}
