package target

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/patience"
	"memtrace/tracer/process/refusal"
)

// machines are the ELF machine numbers by GOARCH.
var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64,
	"arm64": elf.EM_AARCH64,
}

// openRegular opens a file for reading if it is a regular one. The path must lead only through
// links of /proc, which always answer. Messages call the file name.
func openRegular(path, name string) (*patience.File, error) {
	handle, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return patience.OpenHandle(handle, name)
}

// sameFile reports whether an open file is the one that is mapped. On btrfs and overlayfs,
// maps and stat can disagree on the device. So a match is proof, but a mismatch may be false;
// the file is then not used.
func sameFile(file *patience.File, m *procfs.ProcMap) bool {
	return file.Inode == m.Inode && file.Dev == m.Dev
}

// openProgram opens the process's program. It returns an error for a program whose registers
// and structures the probes would misread.
func (t *Target) openProgram() error {
	file, err := openRegular(fmt.Sprintf("/proc/%d/exe", t.PID), t.Exe)
	if err != nil {
		if errors.As(err, new(*patience.NoAnswerError)) {
			return fmt.Errorf("process %d (%s): read its program: %w", t.PID, t.Command, err)
		}
		if errors.Is(err, os.ErrPermission) {
			return fmt.Errorf("look at process %d (%s): %w: %s", t.PID, t.Command, ErrNotPermitted, refusal.Remedy(t.PID))
		}
		return fmt.Errorf("process %d (%s) %w", t.PID, t.Command, ErrExiting)
	}
	t.program = &Object{Path: t.Exe, file: file, ID: FileID{file.Dev, file.Inode}}
	f, err := openELF(file)
	switch {
	case errors.Is(err, elffile.ErrForeign):
		return fmt.Errorf("process %d (%s) %w: it is %w", t.PID, t.Command, ErrForeign, err)
	case err != nil:
		// The process runs anyway, and so do its libraries.
		t.Unread = append(t.Unread, fmt.Sprintf("its program %s: %v", t.Exe, err))
		return nil
	}
	if want := machines[runtime.GOARCH]; f.Machine != want {
		return fmt.Errorf("process %d (%s) %w: it is for %v, memtrace traces 64-bit %v here",
			t.PID, t.Command, ErrForeign, f.Machine, want)
	}
	if f.Damaged != nil {
		t.Unread = append(t.Unread, fmt.Sprintf("the sections of its program %s: %v", t.Exe, f.Damaged))
	}
	t.program.findEntry(f)
	return nil
}

// openELF opens an untrusted ELF file.
func openELF(file *patience.File) (*elffile.File, error) {
	return elffile.Open(file, file.Size, elffile.NewFileBudget())
}

// findEntry makes the place where a program begins its only probe.
func (o *Object) findEntry(f *elffile.File) {
	segment := loaded(f).code(f.Entry)
	if segment == nil {
		return
	}
	o.Probes = []Probe{{
		Function: Function{Name: "the entry point"}, Offset: f.Entry - segment.Vaddr + segment.Off,
		code: probedCode(segment, elf.Symbol{Value: f.Entry}, 0),
	}}
}

// readObject reads an object. It returns nil without an error if the file defines no malloc.
func readObject(file *patience.File) (*Object, error) {
	f, err := openELF(file)
	if errors.Is(err, elffile.ErrForeign) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("parse ELF file: %w", err)
	}
	if f.Machine != machines[runtime.GOARCH] {
		return nil, nil
	}
	defined := definedFunctions(f)
	if !isAllocator(defined) || hasSymbol(defined, dynamicLoaderMarker) {
		return nil, nil
	}
	o := &Object{file: file, Family: familyOf(defined)}
	seen := make(map[uint64]bool)
	image := loaded(f)
	ways := &jumps{f: f, image: image}
	var symbols []elf.Symbol
	var returns []Probe
	for _, fn := range functions {
		sym, ok := defined[fn.Name]
		if !ok || !isFunction(sym) {
			continue
		}
		// Aliases share an address: one probe sees the calls of all names.
		segment := image.code(sym.Value)
		if segment == nil || seen[sym.Value] {
			continue
		}
		seen[sym.Value] = true
		if fn.Role == Free && ways.reaches(sym.Value, otherFree(defined, sym.Value)) {
			continue
		}
		if fn.Role == New {
			found, ok := ways.returnProbes(fn, sym, defined)
			if !ok {
				o.Unseen = append(o.Unseen, fn.Name)
				continue
			}
			if len(found) == 0 {
				continue // it is a jump to one that is probed
			}
			returns = append(returns, found...)
		}
		o.Probes = append(o.Probes, Probe{Function: fn, Offset: sym.Value - segment.Vaddr + segment.Off})
		symbols = append(symbols, sym)
	}
	for i, inside := range image.places(symbols) {
		probe, sym := &o.Probes[i], symbols[i]
		probe.Inside = inside
		probe.Offset += inside
		probe.code = probedCode(image.code(sym.Value), sym, inside)
	}
	o.addReturns(returns)
	return o, nil
}

// otherFree returns a function that tells jumps.reaches whether a jump of the function at
// address ends at another function that gets a probe. The loader may resolve a name to an
// object loaded earlier, but that one defines an allocator, too.
func otherFree(defined map[string]elf.Symbol, address uint64) func(uint64, string) bool {
	names, addresses := make(map[string]bool), make(map[uint64]bool)
	for _, fn := range functions {
		if sym, ok := defined[fn.Name]; ok && fn.Role == Free && isFunction(sym) && sym.Value != address {
			names[fn.Name], addresses[sym.Value] = true, true
		}
	}
	return func(to uint64, name string) bool { return addresses[to] || names[name] }
}

// isAllocator reports whether the functions that a file defines make it one.
func isAllocator(defined map[string]elf.Symbol) bool {
	return slices.ContainsFunc(gateways, func(name string) bool { return hasSymbol(defined, name) })
}

func hasSymbol(defined map[string]elf.Symbol, name string) bool {
	_, ok := defined[name]
	return ok
}

// isNamed leaves out symbols that never name a function or a variable.
func isNamed(s *elf.Symbol) bool {
	kind := elf.ST_TYPE(s.Info)
	return kind == elf.STT_FUNC || kind == elf.STT_OBJECT || kind == elf.STT_NOTYPE
}

func isFunction(s elf.Symbol) bool { return elf.ST_TYPE(s.Info) == elf.STT_FUNC }

// definedFunctions returns the symbols that this package asks about and the file defines. It
// looks at the dynamic symbols or, if malloc is not among them (a static program), at the
// symbol table.
func definedFunctions(f *elffile.File) map[string]elf.Symbol {
	wanted := map[string]bool{dynamicLoaderMarker: true}
	for _, fn := range functions {
		wanted[fn.Name] = true
	}
	for _, m := range markers {
		wanted[m.symbol] = true
	}
	defined := make(map[string]elf.Symbol)
	collect := func(kind elf.SectionType) {
		for _, table := range f.SymbolTables(kind) {
			// What was found before an error counts.
			_ = table.Find(wanted, isNamed, func(s elf.Symbol) {
				if _, ok := defined[s.Name]; !ok {
					defined[s.Name] = s
				}
			})
		}
	}
	collect(elf.SHT_DYNSYM)
	// A shared library that exports no malloc may have a private one in its symbol table,
	// which calls from elsewhere never reach. So only programs are searched.
	if !isAllocator(defined) && hasInterpreterOrIsStatic(f) {
		collect(elf.SHT_SYMTAB)
	}
	return defined
}

// hasInterpreterOrIsStatic tells a program from a shared library.
func hasInterpreterOrIsStatic(f *elffile.File) bool {
	dynamic := false
	for i := range f.Segments {
		switch f.Segments[i].Type {
		case elf.PT_INTERP:
			return true
		case elf.PT_DYNAMIC:
			dynamic = true
		}
	}
	if f.Type == elf.ET_EXEC || !dynamic {
		return true
	}
	flags, _ := f.Dynamic(elf.DT_FLAGS_1)
	return elf.DynFlag1(flags)&elf.DF_1_PIE != 0
}

func familyOf(defined map[string]elf.Symbol) Family {
	for _, m := range markers {
		if hasSymbol(defined, m.symbol) {
			return m.family
		}
	}
	return Unknown
}
