package ptmalloc

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"memtrace/symbolize/elffile"
)

// These limit what is read of a file, in bytes. A libc has about 50 KB of writable data, 2 MB
// of other data and 30 KB of relocations.
const (
	maxWritable    = 64 << 20
	maxReadOnly    = 64 << 20
	maxRelocations = 32 << 20
	window         = 1 << 20
)

var errTooLarge = errors.New("too large to read in full")

// image is a file's writable data before the program runs, at the addresses in the file.
type image []segment

type segment struct {
	addr uint64
	data []byte
}

// readImage reads the writable segments and applies the relocations without a symbol, so that
// pointers to the file's own data show.
func readImage(f *elffile.File) (image, error) {
	var m image
	left := uint64(maxWritable)
	for i := range f.Segments {
		p := f.Contents(&f.Segments[i])
		if p.Type != elf.PT_LOAD || p.Flags&elf.PF_W == 0 || p.Filesz == 0 {
			continue
		}
		if p.Filesz > left {
			return nil, fmt.Errorf("read data of %d bytes: %w", p.Filesz, errTooLarge)
		}
		left -= p.Filesz
		data := make([]byte, p.Filesz)
		if _, err := p.ReadAt(data, 0); err != nil {
			return nil, fmt.Errorf("read data: %w", err)
		}
		m = append(m, segment{p.Vaddr, data})
	}
	return m, m.relocate(f)
}

// at returns n bytes at an address, or nil.
func (m image) at(addr, n uint64) []byte {
	for _, s := range m {
		if off := addr - s.addr; addr >= s.addr && off <= uint64(len(s.data)) && n <= uint64(len(s.data))-off {
			return s.data[off : off+n]
		}
	}
	return nil
}

// relocate applies the relative relocations of DT_RELA. Those of DT_RELR keep the address in
// the data itself.
func (m image) relocate(f *elffile.File) error {
	rela, err := relocations(f)
	if err != nil {
		return err
	}
	relative := uint32(elf.R_X86_64_RELATIVE)
	if f.Machine == elf.EM_AARCH64 {
		relative = uint32(elf.R_AARCH64_RELATIVE)
	}
	for ; len(rela) >= relaSize; rela = rela[relaSize:] {
		if uint32(binary.LittleEndian.Uint64(rela[8:])) != relative {
			continue
		}
		if word := m.at(binary.LittleEndian.Uint64(rela), 8); word != nil {
			copy(word, rela[16:relaSize])
		}
	}
	return nil
}

// relaSize is the size of a relocation (Elf64_Rela): address, type and symbol, addend.
const relaSize = 24

// relocations reads DT_RELA. It returns nil if there is none.
func relocations(f *elffile.File) ([]byte, error) {
	table, _ := f.Dynamic(elf.DT_RELA)
	size, _ := f.Dynamic(elf.DT_RELASZ)
	if table == 0 || size == 0 {
		return nil, nil
	}
	if size > maxRelocations {
		return nil, fmt.Errorf("read relocations of %d bytes: %w", size, errTooLarge)
	}
	for i := range f.Segments {
		p := f.Contents(&f.Segments[i])
		if p.Type != elf.PT_LOAD || table < p.Vaddr || table-p.Vaddr >= p.Filesz || size > p.Filesz-(table-p.Vaddr) {
			continue
		}
		rela := make([]byte, size)
		if _, err := p.ReadAt(rela, int64(table-p.Vaddr)); err != nil {
			return nil, fmt.Errorf("read relocations: %w", err)
		}
		return rela, nil
	}
	return nil, nil
}

// banner is what a libc prints when it is run (csu/version.c).
var banner = regexp.MustCompile(`GNU C Library [^\n\x00]{0,200}release version (\d{1,3})\.(\d{1,3})`)

// readVersion looks for the banner in the segments that are not writable. It returns the zero
// Version if there is none.
func readVersion(f *elffile.File) (Version, error) {
	const overlap = 512
	left := uint64(maxReadOnly)
	for i := range f.Segments {
		p := f.Contents(&f.Segments[i])
		if p.Type != elf.PT_LOAD || p.Flags&elf.PF_W != 0 {
			continue
		}
		size := min(p.Filesz, left)
		left -= size
		for off := uint64(0); off < size; off += window {
			buf := make([]byte, min(window+overlap, size-off))
			n, err := p.ReadAt(buf, int64(off))
			if err != nil && err != io.EOF {
				return Version{}, fmt.Errorf("read text: %w", err)
			}
			if found := banner.FindSubmatch(buf[:n]); found != nil {
				major, _ := strconv.Atoi(string(found[1])) // the pattern has only digits here
				minor, _ := strconv.Atoi(string(found[2]))
				return Version{major, minor}, nil
			}
			if n < len(buf) {
				break
			}
		}
	}
	return Version{}, nil
}
