package datasym

import (
	"debug/elf"
	"encoding/binary"

	"memtrace/symbolize/elffile"
)

// TLS says where a module's thread-local variables are (x86-64, "ELF Handling For Thread-Local
// Storage", variant II).
type TLS struct {
	// Size is the size of the block in bytes, 0 if there is none, and Align its alignment.
	Size, Align uint64
	// ModuleSlot is where the dynamic linker stores the number of the module, which is the index
	// in a thread's vector of blocks (dtv). It is 0 if the file has none.
	ModuleSlot uint64
	// OffsetSlot is where it stores the offset of a variable from the thread pointer, and Offset
	// that of the variable in the block. It is 0 if the file has none.
	OffsetSlot, Offset uint64
}

// maxRelocations is the most that is read of relocations, in bytes. Chromium has 25 MB.
const maxRelocations = 64 << 20

// read takes the layout from a file's headers and relocations. Slots are addresses in the file.
func (t *TLS) read(f *elffile.File) {
	for _, p := range f.Segments {
		if p.Type == elf.PT_TLS && p.Memsz < 1<<32 {
			t.Size, t.Align = p.Memsz, max(min(p.Align, 1<<20), 1)
		}
	}
	if t.Size == 0 || f.Machine != elf.EM_X86_64 {
		return
	}
	const entry = 24 // Elf64_Rela
	dynamic := f.SymbolTables(elf.SHT_DYNSYM)
	for i := range f.Sections {
		s := &f.Sections[i]
		if s.Type != elf.SHT_RELA || s.Flags&elf.SHF_ALLOC == 0 {
			continue
		}
		data, err := f.Data(s, maxRelocations)
		if err != nil {
			continue // threads' variables then have no names
		}
		for ; len(data) >= entry; data = data[entry:] {
			where, info, addend := binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:]), binary.LittleEndian.Uint64(data[16:])
			kind := elf.R_X86_64(uint32(info))
			if kind != elf.R_X86_64_DTPMOD64 && kind != elf.R_X86_64_TPOFF64 {
				continue
			}
			// A relocation without a symbol is that of a variable of the file itself.
			if index := info >> 32; index != 0 {
				s, ok := symbolAt(dynamic, index)
				if !ok || s.Section == elf.SHN_UNDEF {
					continue
				}
				addend += s.Value
			}
			if kind == elf.R_X86_64_DTPMOD64 {
				t.ModuleSlot = where
			} else {
				t.OffsetSlot, t.Offset = where, addend
			}
		}
	}
}

func symbolAt(tables []*elffile.SymbolTable, index uint64) (elf.Symbol, bool) {
	if len(tables) == 0 {
		return elf.Symbol{}, false
	}
	return tables[0].At(index)
}
