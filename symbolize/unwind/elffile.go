package unwind

import (
	"debug/elf"
	"errors"
	"fmt"

	"memtrace/symbolize/elffile"
)

// errDamaged means that a length or address in the file leads outside of it.
var errDamaged = errors.New("damaged file")

// executableSegments returns at most maxSegments executable segments.
func executableSegments(file *elffile.File) []addresses {
	var out []addresses
	for _, p := range file.Segments {
		const half = 1 << 63 // user space ends below this; sums cannot wrap around
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && p.Memsz > 0 &&
			p.Vaddr < half && p.Memsz < half-p.Vaddr && len(out) < maxSegments {
			out = append(out, addresses{p.Vaddr, p.Vaddr + p.Memsz})
		}
	}
	return out
}

// readFrames finds and reads the call frame information: .eh_frame by its section header, or
// else by the program header PT_GNU_EH_FRAME, or else .debug_frame.
func readFrames(file *elffile.File) (frames, Source, error) {
	if s := section(file, ".eh_frame"); s != nil {
		data, err := file.Data(s, maxSectionBytes)
		return frames{data: data, bases: bases{section: s.Addr}}, SourceEhFrame, err
	}
	for i := range file.Segments {
		if p := file.Contents(&file.Segments[i]); p.Type == elf.PT_GNU_EH_FRAME && p.Filesz > 0 {
			f, err := readByHeader(file, p)
			return f, SourceEhFrameHdr, err
		}
	}
	if s := section(file, ".debug_frame"); s != nil {
		data, err := file.Data(s, maxSectionBytes)
		return frames{data: data, debug: true}, SourceDebugFrame, err
	}
	return frames{}, SourceNone, ErrNoFrames
}

// section returns the section of that name if it has contents in the file.
func section(file *elffile.File, name string) *elf.SectionHeader {
	s := file.Section(name)
	if s == nil || s.Type == elf.SHT_NOBITS || s.Type == elf.SHT_NULL || s.Size == 0 {
		return nil
	}
	return s
}

// readByHeader reads .eh_frame from where hdr, the segment with .eh_frame_hdr (LSB 10.6.2),
// says it is. Its end is not given: it ends at a terminator, at the header behind it, or at
// the end of the segment that holds it.
func readByHeader(file *elffile.File, hdr *elffile.Segment) (frames, error) {
	head := make([]byte, min(hdr.Filesz, 32))
	if _, err := hdr.ReadAt(head, 0); err != nil {
		return frames{}, fmt.Errorf(".eh_frame_hdr: %w", err)
	}
	c := cursor{data: head}
	version, enc := c.u8(), c.u8()
	c.skip(2) // encodings of the search table
	start := c.pointer(enc, bases{hdr.Vaddr, hdr.Vaddr})
	if c.bad || version != 1 {
		return frames{}, fmt.Errorf("%w: .eh_frame_hdr", errDamaged)
	}
	r := file.At(start)
	if r == nil {
		return frames{}, fmt.Errorf("%w: .eh_frame at %#x is in no segment", errDamaged, start)
	}
	n := uint64(r.Size())
	if hdr.Vaddr > start {
		n = min(n, hdr.Vaddr-start)
	}
	data := make([]byte, min(n, maxSectionBytes))
	if _, err := r.ReadAt(data, 0); err != nil {
		return frames{}, fmt.Errorf("segment with .eh_frame: %w", err)
	}
	return frames{data: data, bases: bases{section: start}, terminated: true}, nil
}
