package unwind

import (
	"debug/elf"
	"encoding/binary"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/internal/flow"
)

// describe fills in what an analysis wants to know of a file beside the code.
func describe(file *elffile.File, in *flow.Input) {
	in.Fixed = file.Type == elf.ET_EXEC
	in.Functions = functionsOf(file, in.Parts)
	in.Entry = file.Entry
	in.Read = func(addr uint64, n int) []byte {
		r := file.At(addr)
		if r == nil {
			return nil
		}
		data := make([]byte, min(int64(n), r.Size()))
		got, _ := r.ReadAt(data, 0)
		return data[:got]
	}
	bytes := 0
	for _, p := range in.Parts {
		bytes += len(p.Code)
	}
	if bytes < littleCode {
		return
	}
	in.Words, in.NoReturn = relocations(file)
	for _, pc := range in.Words {
		in.Pointers = append(in.Pointers, pc)
	}
	if in.Fixed {
		in.Pointers = append(in.Pointers, pointersOf(file)...)
	}
}

// littleCode is how many bytes of code are not worth reading all relocations for: the little that
// even complete files leave without FDEs.
const littleCode = 16 << 10

// endless are functions of C and C++ that do not return. To take one that returns for endless
// would leave out code; to leave one out costs little.
var endless = map[string]bool{
	"abort": true, "exit": true, "_exit": true, "_Exit": true, "quick_exit": true, "__assert_fail": true,
	"__stack_chk_fail": true, "__fortify_fail": true, "__chk_fail": true, "longjmp": true, "_longjmp": true,
	"siglongjmp": true, "__longjmp_chk": true, "pthread_exit": true, "__cxa_throw": true, "__cxa_rethrow": true,
	"_Unwind_Resume": true, "_ZSt9terminatev": true, "__libc_start_main": true, "err": true, "errx": true,
	"__cxa_bad_cast": true, "_ZSt17__throw_bad_allocv": true, "_ZSt20__throw_length_errorPKc": true,
	"_ZSt19__throw_logic_errorPKc": true, "_ZSt24__throw_out_of_range_fmtPKcz": true,
}

// relocations returns the addresses in the file that its relocations put into data, and the words
// of data that get the addresses of functions that do not return.
func relocations(file *elffile.File) (words map[uint64]uint64, noReturn map[uint64]bool) {
	words, noReturn = make(map[uint64]uint64), make(map[uint64]bool)
	tables := file.SymbolTables(elf.SHT_DYNSYM)
	for i := range file.Sections {
		s := &file.Sections[i]
		if s.Type != elf.SHT_RELA || s.Entsize != elffile.RelocationSize {
			continue
		}
		data, err := file.Data(s, maxSectionBytes)
		if err != nil {
			continue
		}
		for r := range elffile.Relocations(data) {
			if len(words) >= maxSymbols {
				break
			}
			switch elf.R_X86_64(elf.R_TYPE64(r.Info)) {
			case elf.R_X86_64_RELATIVE:
				if addend := uint64(r.Addend); file.Executable(addend) {
					words[r.Off] = addend
				}
			case elf.R_X86_64_JMP_SLOT, elf.R_X86_64_GLOB_DAT:
				for _, t := range tables {
					if symbol, ok := t.At(uint64(elf.R_SYM64(r.Info))); ok && endless[symbol.Name] {
						noReturn[r.Off] = true
					}
				}
			}
		}
	}
	return words, noReturn
}

// pointersOf returns the words of data that look like addresses of code, in a file without
// relocations for them.
func pointersOf(file *elffile.File) (pointers []uint64) {
	for i := range file.Sections {
		s := &file.Sections[i]
		if s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_ALLOC == 0 || s.Flags&elf.SHF_EXECINSTR != 0 || s.Addr%8 != 0 {
			continue
		}
		data, err := file.Data(s, maxSectionBytes)
		if err != nil {
			continue
		}
		for ; len(data) >= 8 && len(pointers) < maxSymbols; data = data[8:] {
			if pc := binary.LittleEndian.Uint64(data); file.Executable(pc) {
				pointers = append(pointers, pc)
			}
		}
	}
	return pointers
}
