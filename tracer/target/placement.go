package target

import (
	"debug/elf"
	"encoding/binary"

	"golang.org/x/arch/x86/x86asm"
)

// Where a probe sits is worth more than all the code behind it: the kernel
// emulates a few instructions and single-steps the others, which takes ten
// times as long. place looks for an emulated one at which the function's
// arguments and its stack pointer still are what they were at the entry.

// placeLimit is how many bytes of a function are looked at.
const placeLimit = 32

// place returns the offset from the function's entry at which a probe sees
// every call, once, and all of its arguments, for the least cost. Whatever is
// not understood ends the search; the entry is always right. code is the
// executable segment, loaded at address base; entry is the function's address.
func place(machine elf.Machine, code []byte, base, entry uint64) uint64 {
	if machine != elf.EM_X86_64 || entry < base || entry-base >= uint64(len(code)) {
		return 0
	}
	body := code[entry-base:]
	body = body[:min(len(body), placeLimit)]
	for at := 0; at < len(body); {
		if emulated(body[at:]) {
			if at > 0 && jumpedTo(code, base, entry+1, entry+uint64(at)) {
				return 0
			}
			return uint64(at)
		}
		n := harmless(body[at:])
		if n == 0 {
			return 0
		}
		at += n
	}
	return 0
}

// emulated reports whether the kernel emulates the instruction at the start of
// code: those that arch/x86/kernel/uprobes.c (branch_setup_xol_ops and
// push_setup_xol_ops) has handled since before Linux 5.8. A prefix other than
// the REX of push r8 to r15 disqualifies.
func emulated(code []byte) bool {
	if len(code) == 0 {
		return false
	}
	switch op := code[0]; {
	case op >= 0x50 && op <= 0x57: // push
		return true
	case op == 0x41 && len(code) > 1 && code[1] >= 0x50 && code[1] <= 0x57: // push r8 to r15
		return true
	case op >= 0x70 && op <= 0x7f, op == 0xeb: // jcc rel8, jmp rel8
		return true
	case op == 0x0f && len(code) > 1 && code[1] >= 0x80 && code[1] <= 0x8f: // jcc rel32
		return true
	case op == 0xe8, op == 0xe9: // call, jmp rel32
		return true
	case op == 0x90: // nop
		return true
	}
	return false
}

// harmless returns the length of the instruction at the start of code if the
// one behind it always follows and the arguments and the stack pointer stay as
// they are, else 0.
func harmless(code []byte) int {
	// endbr64, which x86asm does not know.
	if len(code) >= 4 && binary.BigEndian.Uint32(code) == 0xf30f1efa {
		return 4
	}
	inst, err := x86asm.Decode(code, 64)
	if err != nil {
		return 0
	}
	switch inst.Op {
	case x86asm.TEST, x86asm.CMP:
		return inst.Len
	case x86asm.MOV, x86asm.MOVZX, x86asm.LEA, x86asm.XOR:
		if reg, ok := inst.Args[0].(x86asm.Reg); ok && scratch(reg) {
			return inst.Len
		}
	}
	return 0
}

// scratch reports whether a register holds neither an argument of an
// allocation function (rdi, rsi, rdx) nor the stack pointer.
func scratch(reg x86asm.Reg) bool {
	switch reg {
	case x86asm.EAX, x86asm.RAX, x86asm.ECX, x86asm.RCX,
		x86asm.R8, x86asm.R9, x86asm.R10, x86asm.R11, x86asm.R8L, x86asm.R9L, x86asm.R10L, x86asm.R11L:
		return true
	}
	return false
}

// jumpedTo reports whether anything in code might jump or call to an address
// from first to last. It takes every byte for the start of an instruction, so
// that no disassembly has to be right for the answer to be safe.
func jumpedTo(code []byte, base, first, last uint64) bool {
	hit := func(next uint64, displacement int64) bool {
		to := next + uint64(displacement)
		return first <= to && to <= last
	}
	for i := 0; i+2 <= len(code); i++ {
		op, at := code[i], base+uint64(i)
		switch {
		case op >= 0x70 && op <= 0x7f, op == 0xeb, op >= 0xe0 && op <= 0xe3: // rel8
			if hit(at+2, int64(int8(code[i+1]))) {
				return true
			}
		case op == 0xe8, op == 0xe9, op == 0x0f && code[i+1]&0xf0 == 0x80: // rel32
			skip := 1
			if op == 0x0f {
				skip = 2
			}
			if i+skip+4 > len(code) {
				continue
			}
			displacement := int32(binary.LittleEndian.Uint32(code[i+skip:]))
			if hit(at+uint64(skip)+4, int64(displacement)) {
				return true
			}
		}
	}
	return false
}
