package datasym

import (
	"bytes"
	"cmp"
	"debug/elf"
	"slices"
	"sort"
	"strings"

	"memtrace/symbolize/elffile"
)

// Variable is a data object.
type Variable struct {
	// Name is the symbol, mangled if it is.
	Name string
	// Addr is its first byte; of a thread-local one the offset in the block. Size is in bytes.
	Addr, Size uint64
}

// maxSymbols bounds the data objects that are kept of a file. Chromium has 300,000.
const maxSymbols = 2 << 20

// symbols are the data objects of a file, by address in it.
type symbols struct {
	data, tls []Variable
	writable  []elf.ProgHeader
	// kept is what was taken from the budget for them, in bytes.
	kept uint64
}

// vtable begins the symbols of C++'s tables of virtual functions, which are not writable in some
// files.
var vtable = []byte("_ZTV")

// read fills the table from a file and its debug file. What cannot be read is left out; the error says why.
func (s *symbols) read(f *elffile.File, debugDirs []string, budget *elffile.Budget) error {
	for _, p := range f.Segments {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_W != 0 {
			s.writable = append(s.writable, p)
		}
	}
	found, err := s.add(f, elf.SHT_SYMTAB, budget)
	if !found {
		fromDebug := s.debugFile(f, debugDirs, budget)
		_, err = s.add(f, elf.SHT_DYNSYM, budget)
		err = cmp.Or(fromDebug, err)
	}
	s.data, s.tls = sorted(s.data), sorted(s.tls)
	return err
}

// add reads the tables of a type and reports whether there are any. What was found before an error is kept.
func (s *symbols) add(f *elffile.File, kind elf.SectionType, budget *elffile.Budget) (found bool, err error) {
	tables := f.SymbolTables(kind)
	note := func(failed error) { err = cmp.Or(err, failed) }
	for _, table := range tables {
		may := func(sym *elf.Symbol) bool {
			switch elf.ST_TYPE(sym.Info) {
			case elf.STT_OBJECT, elf.STT_COMMON, elf.STT_NOTYPE, elf.STT_TLS:
				return sym.Size > 0 && sym.Size < 1<<46 && sym.Section != elf.SHN_ABS && len(s.data)+len(s.tls) < maxSymbols
			}
			return false
		}
		var current *elf.Symbol
		note(table.FindFunc(func(name []byte) bool {
			if len(name) == 0 {
				return false
			}
			return elf.ST_TYPE(current.Info) == elf.STT_TLS || s.inData(current) || bytes.HasPrefix(name, vtable)
		}, func(sym *elf.Symbol) bool {
			current = sym
			return may(sym)
		}, func(sym elf.Symbol) {
			size := uint64(len(sym.Name)) + 64
			if failed := budget.Keep(size); failed != nil {
				note(failed)
				return
			}
			s.kept += size
			v := Variable{Name: sym.Name, Addr: sym.Value, Size: sym.Size}
			if elf.ST_TYPE(sym.Info) == elf.STT_TLS {
				s.tls = append(s.tls, v)
			} else {
				s.data = append(s.data, v)
			}
		}))
	}
	return len(tables) > 0, err
}

func (s *symbols) inData(sym *elf.Symbol) bool {
	for i := range s.writable {
		if p := &s.writable[i]; sym.Value >= p.Vaddr && sym.Value-p.Vaddr < p.Memsz {
			return true
		}
	}
	return false
}

// sorted orders variables by address and keeps one name of those that have several: the one with
// the fewest leading underscores, then the shortest.
func sorted(list []Variable) []Variable {
	underscores := func(name string) int { return len(name) - len(strings.TrimLeft(name, "_")) }
	slices.SortFunc(list, func(a, b Variable) int {
		return cmp.Or(cmp.Compare(a.Addr, b.Addr), cmp.Compare(b.Size, a.Size),
			cmp.Compare(underscores(a.Name), underscores(b.Name)), cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return slices.CompactFunc(list, func(a, b Variable) bool { return a.Addr == b.Addr })
}

func (s *symbols) at(addr uint64) (Variable, bool) { return find(s.data, addr) }

// find returns the variable around an address. One past its end is not in it.
func find(list []Variable, addr uint64) (Variable, bool) {
	i := sort.Search(len(list), func(i int) bool { return list[i].Addr > addr }) - 1
	// A variable within a larger one, which some linkers write, may have ended before.
	for back := 0; i >= 0 && back < 4; i, back = i-1, back+1 {
		if addr-list[i].Addr < list[i].Size {
			return list[i], true
		}
	}
	return Variable{}, false
}
