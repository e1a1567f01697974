package elffile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
)

const (
	// maxSymbolData is the most that is read of one symbol table, in bytes: 20 million
	// symbols. Chromium has about two million.
	maxSymbolData = 480 << 20
	// maxSymbolName is the most that is read of a name, in bytes.
	maxSymbolName = 256
)

// SymbolTable reads one symbol table and its names, piece by piece as they are asked for.
type SymbolTable struct {
	symbols, names *blockReader
	count          uint64
}

// SymbolTables returns the readable tables of a type, SHT_SYMTAB or SHT_DYNSYM.
func (f *File) SymbolTables(kind elf.SectionType) (tables []*SymbolTable) {
	const most = 4 // a file has one
	for i := range f.Sections {
		s := &f.Sections[i]
		if s.Type != kind || s.Entsize != elf.Sym64Size || uint64(s.Link) >= uint64(len(f.Sections)) || len(tables) >= most {
			continue
		}
		symbols, names := f.blocks(s), f.blocks(&f.Sections[s.Link])
		if symbols != nil && names != nil {
			tables = append(tables, &SymbolTable{symbols: symbols, names: names, count: min(symbols.size, maxSymbolData) / elf.Sym64Size})
		}
	}
	return tables
}

// Find calls found with the symbols that the file defines under one of the wanted names. It
// first calls may with each symbol without its name, and reads the name only if may returns
// true. A value of 0 counts only for thread-local variables, whose values are offsets. It returns an
// error if it could not read the table.
func (t *SymbolTable) Find(wanted map[string]bool, may func(*elf.Symbol) bool, found func(elf.Symbol)) error {
	return t.FindFunc(func(name []byte) bool { return wanted[string(name)] }, may, found)
}

// FindFunc is Find for the names that wanted returns true for.
func (t *SymbolTable) FindFunc(wanted func(name []byte) bool, may func(*elf.Symbol) bool, found func(elf.Symbol)) error {
	const chunk = 4096 // symbols
	buf := make([]byte, chunk*elf.Sym64Size)
	for first := uint64(0); first < t.count; first += chunk {
		raw := buf[:min(chunk, t.count-first)*elf.Sym64Size]
		if err := t.symbols.read(raw, first*elf.Sym64Size); err != nil {
			return err
		}
		for ; len(raw) > 0; raw = raw[elf.Sym64Size:] {
			s := decodeSymbol(raw)
			if s.Section == elf.SHN_UNDEF || s.Value == 0 && elf.ST_TYPE(s.Info) != elf.STT_TLS || !may(&s) {
				continue
			}
			name, err := t.names.text(uint64(binary.LittleEndian.Uint32(raw)))
			if err != nil {
				return err
			}
			if wanted(name) {
				s.Name = string(name)
				found(s)
			}
		}
	}
	return nil
}

// At returns the symbol at an index.
func (t *SymbolTable) At(index uint64) (elf.Symbol, bool) {
	var raw [elf.Sym64Size]byte
	if index >= t.count || t.symbols.read(raw[:], index*elf.Sym64Size) != nil {
		return elf.Symbol{}, false
	}
	s := decodeSymbol(raw[:])
	name, err := t.names.text(uint64(binary.LittleEndian.Uint32(raw[:])))
	s.Name = string(name)
	return s, err == nil
}

// decodeSymbol decodes everything but the name.
func decodeSymbol(raw []byte) elf.Symbol {
	return elf.Symbol{
		Info: raw[4], Other: raw[5], Section: elf.SectionIndex(binary.LittleEndian.Uint16(raw[6:])),
		Value: binary.LittleEndian.Uint64(raw[8:]), Size: binary.LittleEndian.Uint64(raw[16:]),
	}
}

// blockReader reads a section in blocks and keeps the last 16 MiB of them. The names of
// dynamic symbols, which are read in no order, take less than that in most files.
type blockReader struct {
	r      io.ReaderAt
	size   uint64
	budget *Budget
	blocks [256]block
}

type block struct {
	number uint64 // plus one; 0 if there is none
	data   []byte
}

const blockSize = 64 << 10

// blocks returns nil for a section without plain contents in the file.
func (f *File) blocks(s *elf.SectionHeader) *blockReader {
	if s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_COMPRESSED != 0 || s.Offset > f.size || s.Size > f.size-s.Offset {
		return nil
	}
	return &blockReader{r: io.NewSectionReader(f.r, int64(s.Offset), int64(s.Size)), size: s.Size, budget: f.budget}
}

// read fills buf from off on.
func (b *blockReader) read(buf []byte, off uint64) error {
	for len(buf) > 0 {
		data, err := b.from(off)
		if err != nil {
			return err
		}
		if len(data) == 0 {
			return io.ErrUnexpectedEOF
		}
		n := copy(buf, data)
		buf, off = buf[n:], off+uint64(n)
	}
	return nil
}

// text returns the NUL-terminated string at off, or the start of it if it is long. It is valid
// until the next call.
func (b *blockReader) text(off uint64) ([]byte, error) {
	data, err := b.from(off)
	if err != nil {
		return nil, err
	}
	if end := bytes.IndexByte(data, 0); end >= 0 {
		return data[:min(end, maxSymbolName)], nil
	}
	if len(data) >= maxSymbolName || off+uint64(len(data)) >= b.size {
		return data[:min(len(data), maxSymbolName)], nil
	}
	joined := bytes.Clone(data)
	rest, err := b.from(off + uint64(len(data)))
	if err != nil {
		return nil, err
	}
	joined = append(joined, rest[:min(len(rest), maxSymbolName)]...)
	if end := bytes.IndexByte(joined, 0); end >= 0 {
		joined = joined[:end]
	}
	return joined[:min(len(joined), maxSymbolName)], nil
}

// from returns the rest of the block that holds off, from off on, or nothing beyond the end.
func (b *blockReader) from(off uint64) ([]byte, error) {
	if off >= b.size {
		return nil, nil
	}
	number := off / blockSize
	kept := &b.blocks[number%uint64(len(b.blocks))]
	if kept.number != number+1 {
		start := number * blockSize
		n := min(blockSize, b.size-start)
		if err := b.budget.Work(n); err != nil {
			return nil, err
		}
		if kept.data == nil {
			kept.data = make([]byte, min(blockSize, b.size))
		}
		kept.number, kept.data = 0, kept.data[:min(uint64(cap(kept.data)), n)]
		got, err := b.r.ReadAt(kept.data, int64(start))
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		kept.number, kept.data = number+1, kept.data[:got]
	}
	return kept.data[min(off%blockSize, uint64(len(kept.data))):], nil
}
