package flow

import (
	"bytes"

	"memtrace/symbolize/internal/x86"
)

// alignment is the alignment of functions, in bytes.
const alignment = 16

// sigreturn is mov $15,%rax (rt_sigreturn) and syscall, where a signal handler returns to. GCC's
// unwinder knows such code by the same bytes.
var sigreturn = []byte{0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05}

// ReturnsFromSignal reports whether code begins with such a return.
func ReturnsFromSignal(code []byte) bool { return bytes.HasPrefix(code, sigreturn) }

// sweep decodes all code once, in order, and notes where jumps and calls lead.
func (a *analysis) sweep() {
	for _, f := range a.in.Functions {
		a.start(f.Start)
	}
	var found []table
	for i := range a.in.Parts {
		p := &a.in.Parts[i]
		var tables tables
		p.marks[0] |= isClosed
		for pc := p.Start; pc < p.end(); {
			inst, ok := x86.Decode(p.Code[pc-p.Start:], pc)
			if !ok {
				pc++
				continue
			}
			if tables.step(&inst) {
				found = append(found, tables.take(pc))
			}
			switch inst.Op {
			case x86.Jump, x86.Branch:
				a.leader(inst.Target)
			case x86.Call:
				if !a.in.within(inst.Target) {
					a.start(inst.Target)
				}
			case x86.LeaCode:
				// In a file that is loaded anywhere, a constant is no address.
				if a.in.Fixed || inst.Relative {
					a.pointed = append(a.pointed, inst.Target)
				}
			}
			if ReturnsFromSignal(p.Code[pc-p.Start:]) {
				a.signals = append(a.signals, pc)
			}
			p.marks[pc-p.Start] |= isInst
			pad := padding(&inst, p.Code[pc-p.Start:])
			pc = a.resume(pc, uint64(inst.Len))
			if pc < p.end() && (pad || ends(&inst)) {
				p.marks[pc-p.Start] |= isClosed
			}
		}
	}
	a.readTables(found)
	for _, pc := range a.pointed {
		a.pointer(pc, true)
	}
	for _, pc := range a.in.Pointers {
		a.pointer(pc, false)
	}
}

// resume returns where decoding goes on: behind the instruction, or at a function that starts
// inside of it, which then was data.
func (a *analysis) resume(pc, length uint64) uint64 {
	for i := uint64(1); i < length; i++ {
		if a.is(pc+i, isStart) {
			return pc + i
		}
	}
	return pc + length
}

// start notes a function's start, leader where a jump leads.
func (a *analysis) start(pc uint64) { a.mark(pc, isStart|isLeader) }

func (a *analysis) leader(pc uint64) { a.mark(pc, isLeader) }

// pointer takes an address that something refers to for a function if it looks like one. Data may
// also refer to the cases of a switch. These rarely make a frame, or are aligned.
func (a *analysis) pointer(pc uint64, fromCode bool) {
	p := a.in.part(pc)
	if p == nil || a.in.within(pc) || a.is(pc, isStart|isLeader) || !a.is(pc, isInst) || !a.is(pc, isClosed) {
		return
	}
	if fromCode || pc%alignment == 0 || makesFrame(p.Code[pc-p.Start:]) {
		a.start(pc)
	}
}

// makesFrame reports whether code begins like a function that calls others.
func makesFrame(code []byte) bool {
	const most = 8 // instructions before the first that changes the stack pointer
	for range most {
		inst, ok := x86.Decode(code, 0)
		switch {
		case !ok || inst.Op >= x86.Call && inst.Op != x86.Entry:
			return false
		case inst.Op == x86.Push, inst.Op == x86.Entry, inst.Reg == x86.SP && (inst.Op == x86.And || inst.Op == x86.Add && inst.Imm < 0):
			return true
		}
		code = code[inst.Len:]
	}
	return false
}

// ends reports whether an instruction may be the last one of a function.
func ends(inst *x86.Inst) bool {
	switch inst.Op {
	case x86.Ret, x86.Trap, x86.Jump, x86.JumpIndirect, x86.Call, x86.CallIndirect:
		return true
	}
	return false
}

// behindPadding returns the address behind no-operations.
func behindPadding(p *Part, pc uint64) uint64 {
	for pc < p.end() {
		inst, ok := x86.Decode(p.Code[pc-p.Start:], pc)
		if !ok || !padding(&inst, p.Code[pc-p.Start:]) {
			break
		}
		pc += uint64(inst.Len)
	}
	return pc
}

// padding reports whether an instruction fills a gap: int3, a no-operation, xchg %ax,%ax or lea
// 0(%rsi),%rsi.
func padding(inst *x86.Inst, code []byte) bool {
	return inst.Op == x86.Nop || code[0] == 0xcc || bytes.HasPrefix(code, []byte{0x66, 0x90}) ||
		inst.Op == x86.Lea && inst.Reg == inst.Base && inst.Imm == 0
}

// Padding reports whether code consists of no-operations, or of zeros.
func Padding(code []byte) bool {
	if len(bytes.TrimLeft(code, "\x00")) == 0 {
		return true
	}
	p := Part{Start: alignment, Code: code}
	return behindPadding(&p, p.Start) == p.end()
}
