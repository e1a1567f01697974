package elffile

import (
	"debug/elf"
	"encoding/binary"
	"io"
)

// Segment is a program header with a reader of its contents. Filesz is what the file really
// has, whatever the header claims.
type Segment struct {
	elf.ProgHeader
	io.ReaderAt
}

// Contents returns a segment to read from.
func (f *File) Contents(p *elf.ProgHeader) *Segment {
	s := &Segment{ProgHeader: *p}
	s.Off = min(s.Off, f.size)
	s.Filesz = min(s.Filesz, f.size-s.Off)
	s.ReaderAt = io.NewSectionReader(f.r, int64(s.Off), int64(s.Filesz))
	return s
}

// At returns the contents of the file's memory from an address to the end of its segment, before
// relocation, nil where there are none.
func (f *File) At(vaddr uint64) *io.SectionReader {
	for i := range f.Segments {
		p := &f.Segments[i]
		if p.Type != elf.PT_LOAD || vaddr < p.Vaddr {
			continue
		}
		if s := f.Contents(p); vaddr-s.Vaddr < s.Filesz {
			at := vaddr - s.Vaddr
			return io.NewSectionReader(s, int64(at), int64(s.Filesz-at))
		}
	}
	return nil
}

// Dynamic returns the first value of a tag in the dynamic section, or false if there is none.
// It reads only the start of a section that is longer than any linker writes.
func (f *File) Dynamic(tag elf.DynTag) (uint64, bool) {
	const entry, most = 16, 4096 // a libc has 30
	for i := range f.Segments {
		if f.Segments[i].Type != elf.PT_DYNAMIC {
			continue
		}
		s := f.Contents(&f.Segments[i])
		table := make([]byte, min(s.Filesz, entry*most))
		n, _ := s.ReadAt(table, 0) // use what could be read
		for table = table[:n]; len(table) >= entry; table = table[entry:] {
			switch elf.DynTag(binary.LittleEndian.Uint64(table)) {
			case tag:
				return binary.LittleEndian.Uint64(table[8:]), true
			case elf.DT_NULL:
				return 0, false
			}
		}
	}
	return 0, false
}
