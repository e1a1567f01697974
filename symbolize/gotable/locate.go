package gotable

import (
	"debug/elf"
	"encoding/binary"
	"fmt"

	"memtrace/symbolize/elffile"
)

// find returns the table and its address: by the name of its section, which strip leaves, or in
// a file without sections by its first bytes.
func find(f *elffile.File, budget *elffile.Budget) (data []byte, address uint64, err error) {
	for i := range f.Sections {
		s := &f.Sections[i]
		if s.Name != ".gopclntab" && s.Name != ".data.rel.ro.gopclntab" || s.Size == 0 {
			continue
		}
		data, err := f.Data(s, maxBytes)
		return data, s.Addr, err
	}
	if len(f.Sections) > 0 {
		return nil, 0, ErrNone
	}
	for i := range f.Segments {
		p := f.Contents(&f.Segments[i])
		data := contents(p, budget)
		const alignment = 8
		for at := 0; at+headerSize <= len(data); at += alignment {
			if isHeader(data[at:]) {
				if _, err := parse(data[at:], budget); err == nil {
					return data[at:], p.Vaddr + uint64(at), nil
				}
			}
		}
	}
	return nil, 0, ErrNone
}

// contents returns the contents of a segment of memory, or nothing if it has too many or they
// cannot be read.
func contents(p *elffile.Segment, budget *elffile.Budget) []byte {
	if p.Type != elf.PT_LOAD || p.Filesz > maxBytes || budget.Work(p.Filesz) != nil {
		return nil
	}
	data := make([]byte, p.Filesz)
	if _, err := p.ReadAt(data, 0); err != nil {
		return nil
	}
	return data
}

// These are the places in struct moduledata of runtime/symtab.go, in bytes: the start of the
// text, and what the trees of inlined calls are relative to (since Go 1.20).
const (
	moduleNames = 8
	moduleText  = 176
	moduleTrees = 320
)

// locate finds out where the functions are. The runtime's moduledata says so. It starts with the
// address of the table.
func (t *Table) locate(f *elffile.File, data []byte, address uint64) error {
	m := newMemory(f, t.budget)
	names := address + header(data, 3)
	for _, at := range m.find(address) {
		first, _ := m.word(at + moduleNames)
		text, ok := m.word(at + moduleText)
		if first != names || !ok || !f.Executable(text) {
			continue
		}
		t.text = text
		if trees, ok := m.word(at + moduleTrees); ok && binary.LittleEndian.Uint32(data) == magic120 {
			t.inline, t.trees = m, trees
		}
		m.forget()
		return nil
	}
	if text := header(data, 2); f.Executable(text) {
		t.text = text
		return nil
	}
	return fmt.Errorf("%w: the start of the text is not known", ErrDamaged)
}

// memory reads a file as it is in memory at load address 0.
type memory struct {
	file   *elffile.File
	budget *elffile.Budget
	// relocations is the table of relocations with addends.
	relocations []byte
}

func newMemory(f *elffile.File, budget *elffile.Budget) *memory {
	m := &memory{file: f, budget: budget}
	at, _ := f.Dynamic(elf.DT_RELA)
	size, ok := f.Dynamic(elf.DT_RELASZ)
	r := f.At(at)
	if !ok || r == nil || size > maxBytes || size > uint64(r.Size()) || budget.Work(size) != nil {
		return m
	}
	table := make([]byte, size)
	if _, err := r.ReadAt(table, 0); err == nil {
		m.relocations = table
	}
	return m
}

// forget drops what only the search for moduledata needs.
func (m *memory) forget() { m.relocations = nil }

func (m *memory) read(buf []byte, address uint64) bool {
	r := m.file.At(address)
	if r == nil {
		return false
	}
	n, _ := r.ReadAt(buf, 0)
	return n == len(buf)
}

// word returns the 64-bit number at an address, after relocation.
func (m *memory) word(address uint64) (uint64, bool) {
	for r := range elffile.Relocations(m.relocations) {
		if r.Off == address && isRelative(&r) {
			return uint64(r.Addend), true
		}
	}
	var raw [8]byte
	ok := m.read(raw[:], address)
	return binary.LittleEndian.Uint64(raw[:]), ok
}

// isRelative reports whether a relocation adds the load address.
func isRelative(r *elf.Rela64) bool {
	kind := elf.R_TYPE64(r.Info)
	return kind == uint32(elf.R_X86_64_RELATIVE) || kind == uint32(elf.R_AARCH64_RELATIVE)
}

// find returns the addresses in writable memory that hold a value, at most a few.
func (m *memory) find(value uint64) (found []uint64) {
	const most = 16
	for r := range elffile.Relocations(m.relocations) {
		if uint64(r.Addend) == value && isRelative(&r) && len(found) < most {
			found = append(found, r.Off)
		}
	}
	for i := range m.file.Segments {
		p := m.file.Contents(&m.file.Segments[i])
		if p.Flags&elf.PF_W == 0 {
			continue
		}
		data := contents(p, m.budget)
		for at := int(-p.Vaddr & 7); at+8 <= len(data) && len(found) < most; at += 8 {
			if binary.LittleEndian.Uint64(data[at:]) == value {
				found = append(found, p.Vaddr+uint64(at))
			}
		}
	}
	return found
}
