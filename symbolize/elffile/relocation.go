package elffile

import (
	"debug/elf"
	"encoding/binary"
	"iter"
)

// RelocationSize is the size of a relocation with an addend, in bytes.
const RelocationSize = 24

// Relocations decodes a table of relocations with addends.
func Relocations(table []byte) iter.Seq[elf.Rela64] {
	return func(yield func(elf.Rela64) bool) {
		for ; len(table) >= RelocationSize; table = table[RelocationSize:] {
			r := elf.Rela64{
				Off: binary.LittleEndian.Uint64(table), Info: binary.LittleEndian.Uint64(table[8:]),
				Addend: int64(binary.LittleEndian.Uint64(table[16:])),
			}
			if !yield(r) {
				return
			}
		}
	}
}
