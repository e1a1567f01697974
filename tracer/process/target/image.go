package target

import (
	"debug/elf"

	"memtrace/symbolize/elffile"
)

// image is a file's loaded segments.
type image struct {
	machine  elf.Machine
	segments []*elffile.Segment
	frames   *elffile.Segment // the table for unwinding, or nil
	table    []byte           // its content, once read
	// fixed says that the file is loaded at the addresses that it names, so code may have them
	// as operands.
	fixed bool
}

func loaded(f *elffile.File) *image {
	m := &image{machine: f.Machine, fixed: f.Type == elf.ET_EXEC}
	for i := range f.Segments {
		switch p := &f.Segments[i]; p.Type {
		case elf.PT_LOAD:
			m.segments = append(m.segments, f.Contents(p))
		case elf.PT_GNU_EH_FRAME:
			m.frames = f.Contents(p)
		}
	}
	return m
}

// code returns the executable segment that holds an address in the file, or nil.
func (m *image) code(address uint64) *elffile.Segment { return m.segment(address, elf.PF_X) }

// segment returns a segment with the flags that holds an address in the file, or nil.
func (m *image) segment(address uint64, flags elf.ProgFlag) *elffile.Segment {
	for _, p := range m.segments {
		if p.Flags&flags == flags && address >= p.Vaddr && address-p.Vaddr < p.Filesz {
			return p
		}
	}
	return nil
}

// read returns up to n bytes of a segment from an address in it on, none if p is nil.
func read(p *elffile.Segment, address, n uint64) []byte {
	if p == nil {
		return nil
	}
	inside := address - p.Vaddr
	bytes := make([]byte, min(n, p.Filesz-inside))
	got, _ := p.ReadAt(bytes, int64(inside))
	return bytes[:got]
}
