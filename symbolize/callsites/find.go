package callsites

import (
	"debug/elf"
	"errors"
	"fmt"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/internal/plt"
	"memtrace/symbolize/internal/x86"
)

// ErrMachine means that the code of a file is not decoded here.
var ErrMachine = errors.New("only code of x86-64 is decoded")

// Site is a call.
type Site struct {
	// Return is the address in the file behind the call, Offset the same from the start of the file.
	// There the code is Code, an instruction.
	Return, Offset uint64
	Code           string
	// Name is that of the function that is called.
	Name string
	// Args are the first arguments, as far as they are constants.
	Args [3]Arg
}

// Arg is an argument of a call.
type Arg struct {
	Known bool
	Value uint64
}

// Found is what a file has.
type Found struct {
	Sites []Site // in order of address
	// Functions is how many were decoded, Doubtful of how many others the code is not certain.
	Functions, Doubtful int
	// Cut: the file has more code, or more calls, than is looked at.
	Cut bool
}

// These bound what is taken from one file.
const (
	maxCode     = 256 << 20 // bytes of code
	maxFunction = 1 << 20   // of one function
	maxSites    = 1 << 16
	maxNamed    = 1 << 12 // functions of the file itself that are called
	// sweeps is how often the code is read: functions that only jump to others are found in one
	// sweep, and calls of them in the next one.
	sweeps = 3
)

// Find finds the calls of functions with wanted names.
func Find(file *elffile.File, wanted func(name string) bool) (*Found, error) {
	if file.Machine != elf.EM_X86_64 {
		return nil, fmt.Errorf("%w, not %v", ErrMachine, file.Machine)
	}
	s := &search{file: file, stubs: plt.New(file), wanted: wanted, slots: make(map[uint64]string), own: make(map[uint64]string), targets: make(map[uint64]string), passing: make(map[uint64]bool)}
	for slot, name := range s.stubs.Names() {
		if wanted(name) {
			s.slots[slot] = name
		}
	}
	s.named()
	extents, err := s.extents()
	if err != nil {
		return nil, fmt.Errorf("find functions: %w", err)
	}
	for range sweeps {
		known := len(s.own)
		s.found = Found{}
		s.sweep(extents)
		if len(s.own) == known {
			break
		}
		clear(s.targets)
	}
	return &s.found, nil
}

// search is the work on one file.
type search struct {
	file   *elffile.File
	stubs  *plt.Table
	wanted func(string) bool
	// slots are the names of wanted functions by the places that calls read their addresses from, own
	// those of functions in the file itself. targets remembers what direct calls lead to, "" for
	// anything else.
	slots, own, targets map[uint64]string
	// passing are functions of the file that only jump to wanted ones.
	passing map[uint64]bool
	found   Found
}

// named finds the wanted functions that the file itself defines.
func (s *search) named() {
	for _, kind := range []elf.SectionType{elf.SHT_SYMTAB, elf.SHT_DYNSYM} {
		for _, table := range s.file.SymbolTables(kind) {
			_ = table.FindFunc(
				func(name []byte) bool { return s.wanted(string(name)) },
				func(sym *elf.Symbol) bool { return elf.ST_TYPE(sym.Info) == elf.STT_FUNC && len(s.own) < maxNamed },
				func(sym elf.Symbol) { s.own[sym.Value] = sym.Name })
		}
	}
}

// target returns which wanted function a direct call or jump leads to, "" for none.
func (s *search) target(addr uint64) string {
	name, ok := s.targets[addr]
	if !ok {
		if name = s.own[addr]; name == "" {
			if slot, ok := s.stubs.SlotOf(addr); ok {
				name = s.slots[slot]
			}
		}
		s.targets[addr] = name
	}
	return name
}

// calls returns which wanted function an instruction calls or, if jumps is set, jumps to.
func (s *search) calls(i *x86.Inst, jumps bool) string {
	direct, indirect := x86.Call, x86.CallIndirect
	if jumps {
		direct, indirect = x86.Jump, x86.JumpIndirect
	}
	switch {
	case i.Op == direct:
		return s.target(i.Target)
	case i.Op == indirect && i.Target != 0:
		return s.slots[i.Target]
	}
	return ""
}
