package datasym

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"memtrace/symbolize/elffile"
	"memtrace/tracer/process/target"
)

// Range is a range of addresses of the process.
type Range struct{ Start, End uint64 }

// Module is a file that is mapped as code, with its data.
type Module struct {
	// Path is the file's as the kernel shows it, Name its last part.
	Path, Name string
	// Bias is what an address in the process is more than in the file.
	Bias uint64
	// Start and End hold all segments.
	Start, End uint64
	// Data are the writable segments, which hold variables and, first, what is made read-only
	// once it is relocated.
	Data []Range
	// TLS says how thread-local variables of the file are found.
	TLS TLS
	// Main: the file is the program itself and no library.
	Main bool

	sections []section
	symbols  symbols
	// load reads the symbols at their first use.
	load func(symbols *symbols)
}

type section struct {
	name       string
	start, end uint64 // addresses in the file
}

// maxSections bounds the sections that are kept of a file. Linkers write some 40.
const maxSections = 1024

// same reports whether two mappings are of one module, which may have several that are executable.
func (m *Module) same(other *Module) bool { return m.Start == other.Start && m.Path == other.Path }

// open reads what is needed of a module's file. If that fails, the result has an empty range.
func (t *Table) open(process *target.Target, from *target.Module) *Module {
	m := &Module{Path: from.Path, Name: filepath.Base(from.Path)}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", t.pid))
	m.Main = err == nil && exe == from.Path
	if from.File.Inode == 0 {
		return m // the vDSO has no variables
	}
	mapped := *from
	err = t.read(process, &mapped, func(f *elffile.File) {
		if bias, ok := from.Bias(f.Segments); ok {
			m.Bias = bias
			m.take(f)
		}
	})
	if err != nil {
		if !errors.Is(err, elffile.ErrNotELF) { // it may be memory for generated code
			t.problem(m, err)
		}
		return m
	}
	m.load = func(s *symbols) {
		var unread error
		err := t.read(process, &mapped, func(f *elffile.File) { unread = s.read(f, t.debugDirs, t.budget) })
		if err = cmp.Or(err, unread); err != nil {
			t.problem(m, err)
		}
	}
	return m
}

// read opens a module's file for as long as use takes.
func (t *Table) read(process *target.Target, from *target.Module, use func(*elffile.File)) error {
	image, err := process.OpenModule(from)
	if err != nil {
		return err
	}
	defer func() { _ = image.Close() }() // it was only read
	f, err := elffile.Open(image, image.Size, t.budget)
	if err != nil {
		return err
	}
	use(f)
	return nil
}

func (t *Table) problem(m *Module, err error) {
	const most = 100
	if len(t.Problems) < most {
		t.Problems = append(t.Problems, m.Path+": "+err.Error())
	}
}

// take notes the layout of a file.
func (m *Module) take(f *elffile.File) {
	m.Main = m.Main || f.Type == elf.ET_EXEC
	first := true
	for _, p := range f.Segments {
		if p.Type != elf.PT_LOAD || p.Vaddr+p.Memsz < p.Vaddr || p.Memsz > 1<<46 {
			continue
		}
		r := Range{m.Bias + p.Vaddr, m.Bias + p.Vaddr + p.Memsz}
		if first || r.Start < m.Start {
			m.Start = r.Start
		}
		if first || r.End > m.End {
			m.End = r.End
		}
		first = false
		if p.Flags&elf.PF_W != 0 {
			m.Data = append(m.Data, r)
		}
	}
	for i := range f.Sections {
		s := &f.Sections[i]
		if s.Flags&elf.SHF_ALLOC != 0 && s.Flags&elf.SHF_TLS == 0 && s.Size > 0 && len(m.sections) < maxSections {
			m.sections = append(m.sections, section{s.Name, s.Addr, s.Addr + s.Size})
		}
	}
	m.TLS.read(f)
}

// Variable returns the data object that an address is in, ok only if a symbol tells.
func (m *Module) Variable(addr uint64) (v Variable, ok bool) {
	if v, ok = m.table().at(addr - m.Bias); ok {
		v.Addr += m.Bias
	}
	return v, ok
}

// Section returns the name and the address of the section that an address is in.
func (m *Module) Section(addr uint64) (name string, start uint64, ok bool) {
	for _, s := range m.sections {
		if addr-m.Bias >= s.start && addr-m.Bias < s.end {
			return s.name, s.start + m.Bias, true
		}
	}
	return "", 0, false
}

// Find returns the address of a data object by its name as the file has it.
func (m *Module) Find(name string) (addr uint64, ok bool) {
	for _, v := range m.table().data {
		if v.Name == name {
			return v.Addr + m.Bias, true
		}
	}
	return 0, false
}

// ThreadVariable returns the thread-local object at an offset in the module's block.
func (m *Module) ThreadVariable(offset uint64) (v Variable, ok bool) {
	m.table()
	return find(m.symbols.tls, offset)
}

func (m *Module) table() *symbols {
	if m.load != nil {
		load := m.load
		m.load = nil
		load(&m.symbols)
	}
	return &m.symbols
}

// debugFile adds the symbols of a separate debug file, where one is installed.
func (s *symbols) debugFile(f *elffile.File, dirs []string, budget *elffile.Budget) error {
	file, debug, err := elffile.OpenDebug(dirs, f)
	if err != nil {
		return nil // most have none
	}
	defer file.Close()
	_, err = s.add(debug, elf.SHT_SYMTAB, budget)
	return err
}
