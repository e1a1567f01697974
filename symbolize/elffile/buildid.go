package elffile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
)

const (
	noteGNUBuildID = 3
	// maxNotes is the most that is read of one note segment or section.
	maxNotes = 64 << 10
	// maxBuildID is the longest build ID accepted. The usual ones have 20 bytes (SHA-1) or 16.
	maxBuildID = 64
)

// BuildID returns the file's GNU build ID in hexadecimal, or "". It reads note segments first,
// which remain when sections are stripped, and then sections, for debug files that have lost
// the contents of their segments.
func (f *File) BuildID() string {
	for i := range f.Segments {
		if p := &f.Segments[i]; p.Type == elf.PT_NOTE {
			if id := f.buildIDAt(p.Off, p.Filesz, p.Align); id != "" {
				return id
			}
		}
	}
	for i := range f.Sections {
		if s := &f.Sections[i]; s.Type == elf.SHT_NOTE {
			if id := f.buildIDAt(s.Offset, s.Size, s.Addralign); id != "" {
				return id
			}
		}
	}
	return ""
}

func (f *File) buildIDAt(off, size, align uint64) string {
	notes, err := f.read(off, min(size, maxNotes))
	if err != nil {
		return ""
	}
	if align != 8 {
		align = 4
	}
	for len(notes) >= 12 {
		nameSize := uint64(binary.LittleEndian.Uint32(notes))
		descSize := uint64(binary.LittleEndian.Uint32(notes[4:]))
		kind := binary.LittleEndian.Uint32(notes[8:])
		desc := alignUp(12+nameSize, align)
		next := alignUp(desc+descSize, align)
		if desc+descSize > uint64(len(notes)) {
			return ""
		}
		if kind == noteGNUBuildID && bytes.Equal(notes[12:12+nameSize], []byte("GNU\x00")) {
			if descSize == 0 || descSize > maxBuildID {
				return ""
			}
			return hex.EncodeToString(notes[desc : desc+descSize])
		}
		notes = notes[min(next, uint64(len(notes))):]
	}
	return ""
}

func alignUp(n, align uint64) uint64 { return (n + align - 1) / align * align }
