// Package plt finds out which functions the stubs and slots stand for through which a module calls
// others.
package plt

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"

	"memtrace/symbolize/elffile"
)

const (

	// maxRelocations is the most that is read of one relocation table, in bytes.
	maxRelocations = 64 << 20
	// pltEntry is the size of an entry on both machines, except in .plt.got on x86-64.
	pltEntry    = 16
	pltGotEntry = 8
	// pltHeaderARM64 is the size of the header before the entries of .plt on arm64.
	pltHeaderARM64 = 32
)

// Table names the stubs through which a module calls others. They have no symbols of their own.
type Table struct {
	f *elffile.File
	// slots maps each address that a stub jumps through to the symbol's index in .dynsym. It
	// is read at the first use.
	slots map[uint64]uint32
	order []uint64 // the slots of .rela.plt, in order
}

// New returns the table of a file.
func New(f *elffile.File) *Table { return &Table{f: f} }

// Lookup returns the name of the function that the stub at an address calls, "" for an address outside
// of the stubs.
func (p *Table) Lookup(addr uint64) string {
	slot, ok := p.SlotOf(addr)
	if !ok {
		return ""
	}
	for _, symbols := range p.f.SymbolTables(elf.SHT_DYNSYM) {
		if name := nameOf(symbols, p.slots[slot]); name != "" {
			return name
		}
	}
	return ""
}

// SlotOf returns the slot that the stub at an address jumps through.
func (p *Table) SlotOf(addr uint64) (slot uint64, ok bool) {
	s := p.section(addr)
	if s == nil {
		return 0, false
	}
	return p.slot(s, addr-s.Addr)
}

// Holds reports whether an address is where stubs are.
func (p *Table) Holds(addr uint64) bool { return p.section(addr) != nil }

// section returns the section of stubs that holds an address, nil if none does.
func (p *Table) section(addr uint64) *elf.SectionHeader {
	for i := range p.f.Sections {
		s := &p.f.Sections[i]
		if s.Type == elf.SHT_PROGBITS && strings.HasPrefix(s.Name, ".plt") && addr >= s.Addr && addr-s.Addr < s.Size {
			return s
		}
	}
	return nil
}

// Names returns the names of the functions whose addresses the loader puts into slots.
func (p *Table) Names() map[uint64]string {
	if p.slots == nil {
		p.readSlots()
	}
	names := make(map[uint64]string)
	for _, symbols := range p.f.SymbolTables(elf.SHT_DYNSYM) {
		for slot, index := range p.slots {
			if name := nameOf(symbols, index); name != "" {
				names[slot] = name
			}
		}
	}
	return names
}

// nameOf returns the name of a symbol by its index.
func nameOf(symbols *elffile.SymbolTable, index uint32) string {
	if index == 0 {
		return ""
	}
	s, ok := symbols.At(uint64(index))
	if !ok {
		return ""
	}
	return s.Name
}

// slot returns the address that the stub at an offset of its section jumps through.
func (p *Table) slot(s *elf.SectionHeader, off uint64) (uint64, bool) {
	if p.slots == nil {
		p.readSlots()
	}
	if p.f.Machine == elf.EM_AARCH64 {
		i := (off - pltHeaderARM64) / pltEntry
		if off < pltHeaderARM64 || i >= uint64(len(p.order)) {
			return 0, false
		}
		return p.order[i], true
	}
	size := uint64(pltEntry)
	if s.Name == ".plt.got" && s.Entsize == pltGotEntry {
		size = pltGotEntry
	}
	r, err := p.f.Reader(s)
	if err != nil || r == nil {
		return 0, false
	}
	off -= off % size
	stub := make([]byte, size)
	if _, err := r.ReadAt(stub, int64(off)); err != nil {
		return 0, false
	}
	// Find jmp *disp32(%rip), which follows endbr64 or bnd if the linker was asked for those.
	at := bytes.Index(stub, []byte{0xff, 0x25})
	if at < 0 || at+6 > len(stub) {
		return 0, false
	}
	disp := int64(int32(binary.LittleEndian.Uint32(stub[at+2:])))
	return s.Addr + off + uint64(at) + 6 + uint64(disp), true
}

func (p *Table) readSlots() {
	p.slots = make(map[uint64]uint32)
	for _, name := range []string{".rela.dyn", ".rela.plt"} {
		s := p.f.Section(name)
		if s == nil || s.Entsize != elffile.RelocationSize {
			continue
		}
		data, err := p.f.Data(s, maxRelocations)
		if err != nil {
			continue
		}
		for r := range elffile.Relocations(data) {
			if symbol := elf.R_SYM64(r.Info); symbol != 0 && isSlotType(p.f.Machine, elf.R_TYPE64(r.Info)) {
				p.slots[r.Off] = symbol
			}
			if name == ".rela.plt" {
				p.order = append(p.order, r.Off)
			}
		}
	}
}

// isSlotType excludes the relocations of data, of which there are many.
func isSlotType(machine elf.Machine, kind uint32) bool {
	if machine == elf.EM_AARCH64 {
		return kind == uint32(elf.R_AARCH64_JUMP_SLOT) || kind == uint32(elf.R_AARCH64_GLOB_DAT)
	}
	return kind == uint32(elf.R_X86_64_JMP_SLOT) || kind == uint32(elf.R_X86_64_GLOB_DAT)
}
