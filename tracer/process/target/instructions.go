package target

import (
	"encoding/binary"
	"sort"

	"golang.org/x/arch/x86/x86asm"
)

// maxFunction bounds how far behind a function's start its instructions are followed, in
// bytes.
const maxFunction = 16 << 10

// maxFrameTable is the most that is read of the table for unwinding, in bytes. Chromium's has
// 8 MB.
const maxFrameTable = 32 << 20

// refersTo reports whether the instruction that contains the byte at address may refer to the
// address to. It is false only if the function's instructions, read from its start, show that
// the byte belongs to one that does not.
func (m *image) refersTo(address, to uint64) bool {
	start, end := m.function(address)
	if address < start || address >= end || address-start > maxFunction {
		return true
	}
	code := read(m.code(start), start, address-start+longest)
	for at := uint64(0); at < uint64(len(code)); {
		length, next, err := decode(code[at:])
		if err != nil {
			return true
		}
		if start+at+length > address {
			return next != 0 && start+at+next == to
		}
		at += length
	}
	return true
}

// decode returns an instruction's length. If the instruction has an operand relative to its
// own address, to is what that leads to, counted from the start of the instruction.
func decode(code []byte) (length, to uint64, err error) {
	if isEndbr64(code) {
		return 4, 0, nil
	}
	inst, err := disassemble(code)
	if err != nil || inst.PCRel == 0 {
		return uint64(inst.Len), 0, err
	}
	operand := code[inst.PCRelOff:]
	switch length = uint64(inst.Len); inst.PCRel {
	case 1:
		return length, length + uint64(int8(operand[0])), nil
	case 4:
		return length, length + uint64(int32(binary.LittleEndian.Uint32(operand))), nil
	}
	return 0, 0, x86asm.ErrUnrecognized // 16-bit jumps, which no compiler makes
}

// disassemble is x86asm's Decode, but refuses what that misreads or takes for less than it is,
// compared to binutils: a prefix whose instruction it does not know, AVX (which begins with
// 62, c4 or c5), APX (d5), wait (9b), the register in a move from or to a control register,
// and 16-bit jumps, on which processors differ.
func disassemble(code []byte) (x86asm.Inst, error) {
	inst, err := x86asm.Decode(code, 64)
	if err != nil {
		return inst, err
	}
	if inst.Op == 0 {
		return inst, x86asm.ErrUnrecognized
	}
	for _, arg := range inst.Args {
		switch arg := arg.(type) {
		case x86asm.Reg:
			if arg >= x86asm.CR0 {
				return inst, x86asm.ErrUnrecognized
			}
		case x86asm.Rel:
			if inst.DataSize == 16 {
				return inst, x86asm.ErrUnrecognized
			}
		}
	}
	switch opcode := code[prefixes(code)]; opcode {
	case 0x62, 0xc4, 0xc5, 0xd5, 0x9b:
		return inst, x86asm.ErrUnrecognized
	}
	return inst, nil
}

// prefixes returns how many prefixes an instruction has.
func prefixes(code []byte) int {
	for i, b := range code {
		switch {
		case b&0xf0 == 0x40, b&0xe7 == 0x26, b >= 0x64 && b <= 0x67, b == 0xf0, b == 0xf2, b == 0xf3:
		default:
			return i
		}
	}
	return 0
}

// isEndbr64 recognizes endbr64, which x86asm does not know.
func isEndbr64(code []byte) bool {
	return len(code) >= 4 && binary.BigEndian.Uint32(code) == 0xf30f1efa
}

// function returns where the function that holds an address begins and ends, according to the
// table for unwinding, or zeros. A stripped file has that table, too. The format is the one
// that linkers write, see the Linux Standard Base, "DWARF Extensions".
func (m *image) function(address uint64) (start, end uint64) {
	const header, entry = 12, 8
	if m.frames == nil {
		return 0, 0
	}
	if m.table == nil {
		m.table = make([]byte, min(m.frames.Filesz, maxFrameTable))
		n, _ := m.frames.ReadAt(m.table, 0)
		m.table = m.table[:n]
	}
	table := m.table
	if len(table) < header {
		return 0, 0
	}
	// Version 1; pointers of 4 bytes, the table's relative to its own address.
	if binary.BigEndian.Uint32(table)&0xff00ffff != 0x0100033b {
		return 0, 0
	}
	count := min(int(binary.LittleEndian.Uint32(table[8:])), (len(table)-header)/entry)
	pointer := func(i int) uint64 {
		return m.frames.Vaddr + uint64(int32(binary.LittleEndian.Uint32(table[header+4*i:])))
	}
	i := sort.Search(count, func(i int) bool { return pointer(2*i) > address }) - 1
	if i < 0 {
		return 0, 0
	}
	start, description := pointer(2*i), pointer(2*i+1)
	// Length, parent, start and size. The start shows whether this was read right.
	fde := read(m.segment(description, 0), description, 16)
	if len(fde) < 16 || description+8+uint64(int32(binary.LittleEndian.Uint32(fde[8:]))) != start {
		return 0, 0
	}
	return start, start + uint64(binary.LittleEndian.Uint32(fde[12:]))
}
