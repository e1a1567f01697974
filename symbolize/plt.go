package symbolize

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"strings"

	"memtrace/symbolize/elffile"
)

const (
	// pltSuffix marks the name of a stub.
	pltSuffix = "@plt"

	// maxRelocations is the most that is read of one relocation table, in bytes.
	maxRelocations = 64 << 20
	// pltEntry is the size of an entry on both machines, except in .plt.got on x86-64.
	pltEntry    = 16
	pltGotEntry = 8
	// pltHeaderARM64 is the size of the header before the entries of .plt on arm64.
	pltHeaderARM64 = 32
)

// pltTable names the stubs through which a module calls others. They have no symbols of their
// own.
type pltTable struct {
	f *elffile.File
	// slots maps each address that a stub jumps through to the symbol's index in .dynsym. It
	// is read at the first use.
	slots map[uint64]uint32
	order []uint64 // the slots of .rela.plt, in order
}

func newPLTTable(f *elffile.File) *pltTable { return &pltTable{f: f} }

// lookup returns name@plt, or "" for an address outside of the stubs.
func (p *pltTable) lookup(addr uint64) string {
	for i := range p.f.Sections {
		s := &p.f.Sections[i]
		if s.Type != elf.SHT_PROGBITS || !strings.HasPrefix(s.Name, ".plt") || addr < s.Addr || addr-s.Addr >= s.Size {
			continue
		}
		slot, ok := p.slot(s, addr-s.Addr)
		if !ok {
			return ""
		}
		if name := p.symbolName(p.slots[slot]); name != "" {
			return name + pltSuffix
		}
		return ""
	}
	return ""
}

// slot returns the address that the stub at an offset of its section jumps through.
func (p *pltTable) slot(s *elf.SectionHeader, off uint64) (uint64, bool) {
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

func (p *pltTable) readSlots() {
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

func (p *pltTable) symbolName(index uint32) string {
	dynsym := p.f.Section(".dynsym")
	if index == 0 || dynsym == nil || uint64(dynsym.Link) >= uint64(len(p.f.Sections)) {
		return ""
	}
	symbols, err := p.f.Reader(dynsym)
	if err != nil || symbols == nil {
		return ""
	}
	names, err := p.f.Reader(&p.f.Sections[dynsym.Link])
	if err != nil || names == nil {
		return ""
	}
	var raw [4]byte
	if _, err := io.ReadFull(io.NewSectionReader(symbols, int64(index)*symbolSize, 4), raw[:]); err != nil {
		return ""
	}
	return stringAt(names, binary.LittleEndian.Uint32(raw[:]))
}
