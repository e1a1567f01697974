package target

import (
	"bytes"
	"debug/elf"
	"runtime"

	"golang.org/x/arch/x86/x86asm"
)

// Where a probe sits matters more than all the code behind it. The kernel emulates a few
// instructions and single-steps the others, which takes ten times as long. place looks for an
// emulated one at which the function's arguments and its stack pointer are still what they
// were at the entry.

// placeLimit is how many bytes behind a function's entry a probe can be.
const placeLimit = 64

// longest is the length of the longest instruction, in bytes.
const longest = 15

// candidate is a function to probe, and how many of its arguments the probe may need.
type candidate struct {
	elf.Symbol
	arguments int
}

// places returns the offset from each function's entry at which a probe sees every call once,
// and all of its arguments, at the least cost. Each function must be in an executable segment.
func (m *image) places(functions []candidate) []uint64 {
	inside, spans := make([]uint64, len(functions)), make([]span, len(functions))
	if m.machine != elf.EM_X86_64 {
		return inside
	}
	for i, fn := range functions {
		// A function of unknown length is not searched: what follows its entry may belong to
		// another.
		inside[i] = place(read(m.code(fn.Value), fn.Value, min(fn.Size, placeLimit+longest)), fn.arguments)
		spans[i] = span{fn.Value + 1, fn.Value + inside[i]}
	}
	for i, reached := range m.reached(spans) {
		if reached {
			inside[i] = 0
		}
	}
	return inside
}

// place returns the offset from a function's entry at which a probe sees every call and all of
// its arguments at the least cost, provided that nothing but the entry leads there (see
// reached). The search ends at anything that it does not understand, since the entry is always
// right. body is the function's code, or the first placeLimit+longest bytes of it.
func place(body []byte, arguments int) uint64 {
	for at := 0; at < min(len(body), placeLimit); {
		if emulated(body[at:]) {
			return uint64(at)
		}
		n := harmless(body[at:], arguments)
		if n == 0 {
			break
		}
		at += n
	}
	return 0
}

// emulated reports whether the kernel emulates the instruction at the start of code: one of
// those that arch/x86/kernel/uprobes.c (branch_setup_xol_ops and push_setup_xol_ops) has
// handled since before Linux 5.8. It is false for an instruction with a prefix other than the
// REX of push r8 to r15, and for one that code cuts off.
func emulated(code []byte) bool {
	if len(code) == 0 {
		return false
	}
	length := 0
	switch op := code[0]; {
	case op >= 0x50 && op <= 0x57, op == 0x90: // push, nop
		length = 1
	case op == 0x41 && len(code) > 1 && code[1] >= 0x50 && code[1] <= 0x57: // push r8 to r15
		length = 2
	case op >= 0x70 && op <= 0x7f, op == 0xeb: // jcc rel8, jmp rel8
		length = 2
	case op == 0xe8, op == 0xe9: // call, jmp rel32
		length = 5
	case op == 0x0f && len(code) > 1 && code[1] >= 0x80 && code[1] <= 0x8f: // jcc rel32
		length = 6
	}
	return length > 0 && length <= len(code)
}

// Stepped reports whether the kernel single-steps the probed instruction, as far as that is
// known.
func (p *Probe) Stepped() bool {
	return uint64(len(p.code)) > p.Inside && stepped([]byte(p.code[p.Inside:]))
}

// stepped reports whether the kernel single-steps the instruction at the start of code. On arm64
// that is any but a branch, a load relative to its own address, and from Linux 6.13 on a NOP.
// Of those only the last one is likely at the entry of a function.
func stepped(code []byte) bool {
	if runtime.GOARCH != "amd64" {
		return !bytes.HasPrefix(code, []byte{0x1f, 0x20, 0x03, 0xd5})
	}
	return !emulated(code)
}

// harmless returns the length of the instruction at the start of code, if the one behind it
// always follows and the arguments and the stack pointer stay as they are. Otherwise it
// returns 0.
func harmless(code []byte, arguments int) int {
	if isEndbr64(code) {
		return 4
	}
	inst, err := disassemble(code)
	if err != nil {
		return 0
	}
	switch inst.Op {
	case x86asm.TEST, x86asm.CMP:
		return inst.Len
	case x86asm.MOV, x86asm.MOVZX, x86asm.MOVSX, x86asm.MOVSXD, x86asm.LEA, x86asm.XOR,
		x86asm.AND, x86asm.OR, x86asm.ADD, x86asm.SUB, x86asm.SHL, x86asm.SHR, x86asm.SAR:
		if reg, ok := inst.Args[0].(x86asm.Reg); ok && scratch(reg, arguments) {
			return inst.Len
		}
	}
	return 0
}

// scratch reports whether a register holds neither one of so many arguments, nor the stack
// pointer, nor a value of the caller's.
func scratch(reg x86asm.Reg, arguments int) bool {
	switch reg {
	case x86asm.EAX, x86asm.RAX, x86asm.R10, x86asm.R11, x86asm.R10L, x86asm.R11L:
		return true
	case x86asm.ESI, x86asm.RSI:
		return arguments < 2
	case x86asm.EDX, x86asm.RDX:
		return arguments < 3
	case x86asm.ECX, x86asm.RCX:
		return arguments < 4
	case x86asm.R8, x86asm.R8L:
		return arguments < 5
	case x86asm.R9, x86asm.R9L:
		return arguments < 6
	}
	return false
}
