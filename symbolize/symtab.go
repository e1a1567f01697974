package symbolize

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/internal/interval"
	"memtrace/symbolize/internal/plt"
)

const (
	symbolSize = elf.Sym64Size
	// pltSuffix marks the name of a stub.
	pltSuffix = "@plt"
	// maxSymbolData is the size in bytes of the largest symbol table that is read: 20 million
	// symbols. Chromium has about two million.
	maxSymbolData = 480 << 20
	// symbolBytes is the memory that a symbol takes.
	symbolBytes = 8 + 32
	// maxAliases bounds the names at one address that one is chosen from.
	maxAliases = 64

	sttGNUIFunc = elf.STT_LOOS // STT_GNU_IFUNC
)

// symbolTable finds the function symbol at an address. Names stay in the file until they are
// needed.
type symbolTable struct {
	machine elf.Machine
	target  *elffile.File // the module itself, which says what is executable
	budget  *elffile.Budget

	symbols []symbol
	strings []*io.SectionReader
	// sized are the symbols with a size. open are those without, which reach to the next
	// symbol. Ref is an index in symbols.
	sized, open interval.Set
	plt         *plt.Table

	// entries and openEntries are used before finish.
	entries, openEntries []interval.Entry
}

type symbol struct {
	name   uint32 // offset in strings[table]
	table  uint8
	notype bool
	bind   elf.SymBind
}

func newSymbolTable(target *elffile.File, budget *elffile.Budget) *symbolTable {
	return &symbolTable{machine: target.Machine, target: target, budget: budget, plt: plt.New(target)}
}

// add reads the symbol tables of a file, either the module or one that describes it.
func (t *symbolTable) add(f *elffile.File) error {
	var errs []error
	for i := range f.Sections {
		s := &f.Sections[i]
		if s.Type != elf.SHT_SYMTAB && s.Type != elf.SHT_DYNSYM || len(t.strings) >= 8 {
			continue
		}
		if err := t.addTable(f, s); err != nil {
			errs = append(errs, fmt.Errorf("read symbols of %q: %w", s.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (t *symbolTable) addTable(f *elffile.File, s *elf.SectionHeader) error {
	if s.Entsize != symbolSize || uint64(s.Link) >= uint64(len(f.Sections)) {
		return elffile.ErrMalformed
	}
	data, err := f.Reader(s)
	if err != nil || data == nil {
		return err
	}
	if data.Size() > maxSymbolData {
		return elffile.ErrBudget
	}
	if err := t.budget.Work(uint64(data.Size())); err != nil {
		return err
	}
	names, err := f.Reader(&f.Sections[s.Link])
	if err != nil {
		return err
	}
	if names == nil {
		return elffile.ErrMalformed
	}
	table := uint8(len(t.strings))
	t.strings = append(t.strings, names)
	buf := make([]byte, 4096*symbolSize)
	for {
		n, err := io.ReadFull(data, buf)
		for raw := buf[:n]; len(raw) >= symbolSize; raw = raw[symbolSize:] {
			if err := t.addSymbol(f, raw, table); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF, err == io.ErrUnexpectedEOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// addSymbol decodes by hand: encoding/binary takes ten times as long, which shows with 100,000
// symbols.
func (t *symbolTable) addSymbol(f *elffile.File, raw []byte, table uint8) error {
	info := raw[4]
	section := elf.SectionIndex(binary.LittleEndian.Uint16(raw[6:]))
	addr, size := binary.LittleEndian.Uint64(raw[8:]), binary.LittleEndian.Uint64(raw[16:])
	s := symbol{name: binary.LittleEndian.Uint32(raw), table: table, bind: elf.ST_BIND(info)}
	switch elf.ST_TYPE(info) {
	case elf.STT_FUNC, sttGNUIFunc:
	case elf.STT_NOTYPE: // common for functions written in assembly
		s.notype = true
		if t.machine == elf.EM_AARCH64 && s.bind == elf.STB_LOCAL {
			return nil // $x and $d, which tell code from data
		}
	default:
		return nil
	}
	if section == elf.SHN_UNDEF || section == elf.SHN_ABS || s.name == 0 || addr == 0 || !t.target.Executable(addr) {
		return nil
	}
	if err := t.budget.Keep(symbolBytes); err != nil {
		return err
	}
	e := interval.Entry{Low: addr, High: addr + size, Ref: uint32(len(t.symbols))}
	t.symbols = append(t.symbols, s)
	if size > 0 {
		t.entries = append(t.entries, e)
		return nil
	}
	// Do not reach into another section: the space between sections belongs to no function.
	e.High = addr + 1
	if int(section) < len(f.Sections) {
		s := &f.Sections[section]
		if addr >= s.Addr && addr-s.Addr < s.Size {
			e.High = s.Addr + s.Size
		}
	}
	t.openEntries = append(t.openEntries, e)
	return nil
}

// finish makes the symbols searchable.
func (t *symbolTable) finish() {
	t.sized = interval.New(t.entries)
	t.open = interval.New(t.openEntries)
	t.entries, t.openEntries = nil, nil
}

// lookup returns the symbol name of the function that contains an address, or "".
func (t *symbolTable) lookup(addr uint64) string {
	if name := t.nameAt(&t.sized, addr); name != "" {
		return name
	}
	if e, ok := t.open.Find(addr); ok {
		// An open symbol ends where another symbol starts. Inside a sized one it is part of
		// that.
		next, other := t.sized.Before(addr)
		_, inside := t.sized.Find(e.Low)
		if !inside && (!other || next.Low < e.Low) {
			return t.nameAt(&t.open, addr)
		}
	}
	if name := t.plt.Lookup(addr); name != "" {
		return name + pltSuffix
	}
	return ""
}

// nameAt chooses among the symbols of the innermost range around an address. The choice does
// not depend on their order in the file.
func (t *symbolTable) nameAt(set *interval.Set, addr uint64) string {
	var best alias
	low, n := uint64(0), 0
	for e := range set.Containing(addr) {
		if n > 0 && e.Low != low || n >= maxAliases {
			break
		}
		low = e.Low
		n++
		s := t.symbols[e.Ref]
		a := alias{name: t.text(s), notype: s.notype, bind: s.bind}
		if a.name != "" && (best.name == "" || a.compare(best) < 0) {
			best = a
		}
	}
	return best.name
}

// text reads a symbol's name without its version.
func (t *symbolTable) text(s symbol) string { return stringAt(t.strings[s.table], s.name) }

// stringAt reads the NUL-terminated string at an offset and drops a symbol version
// (name@VERSION or name@@VERSION).
func stringAt(r *io.SectionReader, off uint32) string {
	for _, size := range []int{64, maxName} {
		buf := make([]byte, size)
		n, err := r.ReadAt(buf, int64(off))
		if err != nil && err != io.EOF {
			return ""
		}
		buf = buf[:n]
		end := bytes.IndexByte(buf, 0)
		if end < 0 && size != maxName && n == size {
			continue
		}
		if end >= 0 {
			buf = buf[:end]
		}
		name, _, versioned := strings.Cut(string(buf), "@")
		if versioned && name == "" {
			return string(buf)
		}
		return name
	}
	return ""
}

// alias is one of several names for the same code.
type alias struct {
	name   string
	notype bool
	bind   elf.SymBind
}

// compare is negative if a is the better name: typed, then global before weak before local,
// then fewer leading underscores, then shorter.
func (a alias) compare(b alias) int {
	return cmp.Or(
		compareBool(a.notype, b.notype),
		cmp.Compare(bindRank(a.bind), bindRank(b.bind)),
		cmp.Compare(underscores(a.name), underscores(b.name)),
		cmp.Compare(len(a.name), len(b.name)),
		cmp.Compare(a.name, b.name),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func bindRank(b elf.SymBind) int {
	switch b {
	case elf.STB_GLOBAL:
		return 0
	case elf.STB_WEAK:
		return 1
	}
	return 2
}

func underscores(name string) int { return len(name) - len(strings.TrimLeft(name, "_")) }
