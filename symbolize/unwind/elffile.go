package unwind

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errDamaged: a length or address of the file leads outside of it.
var errDamaged = errors.New("damaged file")

// openELF opens the file. Where that fails because of its section headers, which
// a running process does not need, it opens it without them.
func openELF(r io.ReaderAt, size int64) (*elf.File, error) {
	file, err := elf.NewFile(io.NewSectionReader(r, 0, size))
	if err == nil {
		return file, nil
	}
	var header elf.Header64
	head := make([]byte, binary.Size(header))
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read ELF header: %w", err)
	}
	if _, err := binary.Decode(head, binary.LittleEndian, &header); err != nil {
		return nil, err
	}
	header.Shoff, header.Shnum, header.Shstrndx = 0, 0, 0
	if _, err := binary.Encode(head, binary.LittleEndian, &header); err != nil {
		return nil, err
	}
	file, retryErr := elf.NewFile(io.NewSectionReader(&patched{r, head}, 0, size))
	if retryErr != nil {
		return nil, err
	}
	return file, nil
}

// patched is a file with its first bytes replaced.
type patched struct {
	file io.ReaderAt
	head []byte
}

func (p *patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.file.ReadAt(b, off)
	if off < int64(len(p.head)) {
		copy(b[:n], p.head[off:])
	}
	return n, err
}

// executableSegments returns the executable segments, at most maxSegments.
func executableSegments(file *elf.File) []addresses {
	var out []addresses
	for _, p := range file.Progs {
		const half = 1 << 63 // user space ends below; sums can not wrap
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && p.Memsz > 0 &&
			p.Vaddr < half && p.Memsz < half-p.Vaddr && len(out) < maxSegments {
			out = append(out, addresses{p.Vaddr, p.Vaddr + p.Memsz})
		}
	}
	return out
}

// readFrames finds and reads the call frame information: .eh_frame by its
// section header, else by the program header PT_GNU_EH_FRAME, else
// .debug_frame.
func readFrames(file *elf.File, r io.ReaderAt, size int64) (frames, Source, error) {
	if s := section(file, ".eh_frame"); s != nil {
		data, err := readSection(s, size)
		return frames{data: data, bases: bases{section: s.Addr}}, SourceEhFrame, err
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_GNU_EH_FRAME && p.Filesz > 0 {
			f, err := readByHeader(file, p, r, size)
			return f, SourceEhFrameHdr, err
		}
	}
	if s := section(file, ".debug_frame"); s != nil {
		data, err := readSection(s, size)
		return frames{data: data, debug: true}, SourceDebugFrame, err
	}
	return frames{}, SourceNone, ErrNoFrames
}

// section returns the section of that name that has contents in the file.
func section(file *elf.File, name string) *elf.Section {
	s := file.Section(name)
	if s == nil || s.Type == elf.SHT_NOBITS || s.Type == elf.SHT_NULL || s.Size == 0 {
		return nil
	}
	return s
}

// readSection reads a section, decompressing it if need be.
func readSection(s *elf.Section, size int64) ([]byte, error) {
	if s.Offset > uint64(size) || s.FileSize > uint64(size)-s.Offset {
		return nil, fmt.Errorf("%w: section %s ends behind the file", errDamaged, s.Name)
	}
	if s.Size > maxSectionBytes {
		return nil, fmt.Errorf("section %s has %d bytes, more than %d", s.Name, s.Size, maxSectionBytes)
	}
	if s.Flags&elf.SHF_COMPRESSED == 0 {
		data := make([]byte, s.FileSize)
		if _, err := io.ReadFull(io.NewSectionReader(s, 0, int64(s.FileSize)), data); err != nil {
			return nil, fmt.Errorf("section %s: %w", s.Name, err)
		}
		return data, nil
	}
	// The size comes from the file: let the memory follow what there is.
	data, err := io.ReadAll(io.LimitReader(s.Open(), int64(s.Size)))
	if err != nil {
		return nil, fmt.Errorf("decompress section %s: %w", s.Name, err)
	}
	return data, nil
}

// readByHeader reads .eh_frame where .eh_frame_hdr (LSB 10.6.2), the segment
// hdr, says that it is. Its end is not known: it is a terminator, the header
// behind it, or the end of the segment that holds it.
func readByHeader(file *elf.File, hdr *elf.Prog, r io.ReaderAt, size int64) (frames, error) {
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
	for _, p := range file.Progs {
		if p.Type != elf.PT_LOAD || start < p.Vaddr || start-p.Vaddr >= p.Filesz {
			continue
		}
		skip := start - p.Vaddr
		n := p.Filesz - skip
		if hdr.Vaddr > start {
			n = min(n, hdr.Vaddr-start)
		}
		offset := p.Off + skip
		if offset > uint64(size) || offset < skip {
			break
		}
		data := make([]byte, min(n, uint64(size)-offset, maxSectionBytes))
		if _, err := r.ReadAt(data, int64(offset)); err != nil {
			return frames{}, fmt.Errorf("segment with .eh_frame: %w", err)
		}
		return frames{data: data, bases: bases{section: start}, terminated: true}, nil
	}
	return frames{}, fmt.Errorf("%w: .eh_frame at %#x is in no segment", errDamaged, start)
}
