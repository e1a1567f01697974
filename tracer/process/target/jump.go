package target

import (
	"debug/elf"
	"encoding/binary"
	"io"

	"memtrace/symbolize/elffile"
)

// In jemalloc and mimalloc some operators are nothing but a jump to free. A probe on both
// would see one free twice, the second time of a block that no longer exists. Conditional
// jumps do not matter: if they are not taken, the function does the work itself.

// jumps finds out where functions that are only a jump lead, on x86-64.
type jumps struct {
	f     *elffile.File
	image *image
	// slots maps each slot of the global offset table to the index, in the symbol table, of
	// the symbol whose address the dynamic loader puts there. It is read when first needed.
	slots map[uint64]uint64
	table *elffile.SymbolTable
}

// reaches reports whether the function at entry is a jump, or the first of a few, to a
// function that wanted is true for. For a function that the loader looks up, wanted gets the
// name, and the address only if this file defines the function.
func (j *jumps) reaches(entry uint64, wanted func(address uint64, name string) bool) bool {
	if j.f.Machine != elf.EM_X86_64 {
		return false
	}
	const most = 8 // a name's stub in the PLT is a jump of its own
	for range most {
		to, indirect, ok := j.jump(entry)
		if !ok {
			return false
		}
		name := ""
		if indirect {
			symbol, ok := j.slot(to)
			if !ok {
				return false
			}
			to, name = symbol.Value, symbol.Name
		}
		if wanted(to, name) {
			return true
		}
		entry = to
	}
	return false
}

// longestJump is endbr64, a prefix and an indirect jump, in bytes.
const longestJump = 4 + 1 + 6

// jump decodes the unconditional jump at an address. An indirect jump goes where the word at
// to says.
func (j *jumps) jump(address uint64) (to uint64, indirect, ok bool) {
	code := read(j.image.code(address), address, longestJump)
	next := address
	skip := func(n int) { code, next = code[n:], next+uint64(n) }
	if len(code) >= 4 && binary.BigEndian.Uint32(code) == 0xf30f1efa { // endbr64
		skip(4)
	}
	if len(code) > 0 && (code[0] == 0xf2 || code[0] == 0x3e) { // bnd, notrack
		skip(1)
	}
	displacement := func(at int) uint64 { return uint64(int32(binary.LittleEndian.Uint32(code[at:]))) }
	switch {
	case len(code) >= 2 && code[0] == 0xeb: // jmp rel8
		return next + 2 + uint64(int8(code[1])), false, true
	case len(code) >= 5 && code[0] == 0xe9: // jmp rel32
		return next + 5 + displacement(1), false, true
	case len(code) >= 6 && code[0] == 0xff && code[1] == 0x25: // jmp *rel32(%rip)
		return next + 6 + displacement(2), true, true
	}
	return 0, false, false
}

// slot returns the symbol whose address the loader puts at an address.
func (j *jumps) slot(address uint64) (elf.Symbol, bool) {
	if j.slots == nil {
		j.slots = make(map[uint64]uint64)
		j.readSlots()
	}
	index, ok := j.slots[address]
	if !ok {
		return elf.Symbol{}, false
	}
	return j.table.At(index)
}

// maxSlotRelocations is the most that is read of a file's relocations to find slots, in bytes.
// maxSlots is the most slots that are kept. Chromium has some thousand.
const (
	maxSlotRelocations = 64 << 20
	maxSlots           = 1 << 18
)

func (j *jumps) readSlots() {
	tables := j.f.SymbolTables(elf.SHT_DYNSYM)
	if len(tables) == 0 {
		return
	}
	j.table = tables[0]
	left := uint64(maxSlotRelocations)
	for i := range j.f.Sections {
		section := &j.f.Sections[i]
		if section.Type != elf.SHT_RELA {
			continue
		}
		r, err := j.f.Reader(section)
		if err != nil || r == nil {
			continue
		}
		size := min(uint64(r.Size()), left)
		left -= size
		j.readRelocations(io.NewSectionReader(r, 0, int64(size)))
	}
}

// readRelocations takes in the slots of a table of relocations (Elf64_Rela).
func (j *jumps) readRelocations(r io.Reader) {
	const entry = 24 // offset, info, addend
	buf := make([]byte, entry*4096)
	for {
		n, err := io.ReadFull(r, buf)
		for data := buf[:n]; len(data) >= entry && len(j.slots) < maxSlots; data = data[entry:] {
			offset, info := binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:])
			kind, index := elf.R_X86_64(info&0xffffffff), info>>32
			if kind == elf.R_X86_64_JMP_SLOT || kind == elf.R_X86_64_GLOB_DAT {
				j.slots[offset] = index
			}
		}
		if err != nil {
			return // the end, or an error
		}
	}
}
