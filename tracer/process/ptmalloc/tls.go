package ptmalloc

import (
	"debug/elf"
	"encoding/binary"

	"memtrace/symbolize/elffile"
)

// tlsLayout says where a file's thread-local variables are, and where the file's segments are.
// Addresses are those in the file.
type tlsLayout struct {
	// slots are where the dynamic linker stores the offsets of the file's own variables from
	// the thread pointer.
	slots []uint64
	// block is the size in bytes of the file's variables, alignment included. The variables of
	// a program end at the thread pointer (x86-64).
	block uint64
	// segments are all segments of the file, data the writable ones.
	segments, data []addressSpan
}

// addressSpan is a range of addresses.
type addressSpan struct{ start, size uint64 }

// maxSlots and maxBlock bound the number of slots and the size of the block that are searched.
// A libc has 17 slots and 144 bytes.
const (
	maxSlots = 256
	maxBlock = 64 << 10
)

// readTLS reads as much of the layout as there is. Without it, threads' caches are not found.
func readTLS(f *elffile.File) (l tlsLayout) {
	for _, p := range f.Segments {
		switch p.Type {
		case elf.PT_LOAD:
			l.segments = append(l.segments, addressSpan{p.Vaddr, p.Memsz})
			if p.Flags&elf.PF_W != 0 {
				l.data = append(l.data, addressSpan{p.Vaddr, p.Memsz})
			}
		case elf.PT_TLS:
			if align := max(p.Align, 1); p.Memsz <= maxBlock && align <= maxBlock {
				l.block = (p.Memsz + align - 1) / align * align
			}
		}
	}
	if f.Machine != elf.EM_X86_64 {
		l.block = 0 // the thread pointer is found only on x86-64
		return l
	}
	rela, err := relocations(f)
	if err != nil {
		return l
	}
	for ; len(rela) >= relaSize && len(l.slots) < maxSlots; rela = rela[relaSize:] {
		// A relocation without a symbol is that of a static variable.
		if binary.LittleEndian.Uint64(rela[8:]) == uint64(elf.R_X86_64_TPOFF64) {
			l.slots = append(l.slots, binary.LittleEndian.Uint64(rela))
		}
	}
	return l
}

// own reports whether an address is in one of the file's segments.
func (l *tlsLayout) own(addr uint64) bool {
	for _, s := range l.segments {
		if addr-s.start < s.size {
			return true
		}
	}
	return false
}
