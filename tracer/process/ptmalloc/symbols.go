package ptmalloc

import (
	"debug/elf"

	"memtrace/symbolize/elffile"
)

// DebugFolder is where distributions install separate debug files.
const DebugFolder = elffile.DebugDir

// symbol is a data symbol.
type symbol struct{ addr, size uint64 }

// symbolsNamed returns the data symbols in .symtab that have one of the given names and a size
// that malloc's variables may have.
func symbolsNamed(f *elffile.File, wanted ...string) map[string][]symbol {
	const most = 16 // of one name
	names := make(map[string]bool)
	for _, w := range wanted {
		names[w] = true
	}
	found := make(map[string][]symbol)
	for _, table := range f.SymbolTables(elf.SHT_SYMTAB) {
		may := func(s *elf.Symbol) bool { return elf.ST_TYPE(s.Info) == elf.STT_OBJECT && mallocSized(s.Size) }
		// Keep what is found before an error.
		_ = table.Find(names, may, func(s elf.Symbol) {
			if len(found[s.Name]) < most {
				found[s.Name] = append(found[s.Name], symbol{s.Value, s.Size})
			}
		})
	}
	return found
}

// mallocSized reports whether size is a size of mp_ or main_arena.
func mallocSized(size uint64) bool {
	for _, l := range paramsLayouts {
		if size == l.size {
			return true
		}
	}
	for i := range arenaLayouts {
		if size == arenaLayouts[i].size() {
			return true
		}
	}
	return false
}
