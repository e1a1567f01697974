package target

import (
	"debug/elf"
	"slices"

	"golang.org/x/arch/x86/x86asm"
)

// wraps reports whether a function calls malloc, or what a pointer says. Then it need not be an
// allocator: programs and libraries have such functions around those of libc, whose blocks are
// seen anyway. Where this cannot be told it is true.
func (c *chooser) wraps(fn elf.Symbol) bool {
	if c.image.machine != elf.EM_X86_64 {
		return true
	}
	body := read(c.image.code(fn.Value), fn.Value, min(fn.Size, maxFunction))
	for at := uint64(0); at < uint64(len(body)); {
		length, to, err := decode(body[at:])
		if err != nil || length == 0 {
			return false // what follows is not read
		}
		inst, _ := disassemble(body[at:])
		if c.leavesTo(inst, fn.Value+at+to, to != 0) {
			return true
		}
		at += length
	}
	return false
}

// leavesTo reports whether an instruction calls or jumps to a standard function, or calls what a
// pointer says. to is where its operand leads, if it has one that is relative to the instruction.
func (c *chooser) leavesTo(inst x86asm.Inst, to uint64, known bool) bool {
	if inst.Op != x86asm.CALL && inst.Op != x86asm.JMP {
		return false
	}
	if _, direct := inst.Args[0].(x86asm.Rel); direct {
		return c.isStandard(to, "") || c.reaches(to, c.isStandard)
	}
	symbol, ok := elf.Symbol{}, false
	if known {
		symbol, ok = c.slot(to)
	}
	if !ok {
		// Compilers make such jumps of switches, too.
		return inst.Op == x86asm.CALL
	}
	return c.isStandard(symbol.Value, symbol.Name)
}

// isStandard reports whether a standard function has a name, or is at an address of the file.
func (c *chooser) isStandard(address uint64, name string) bool {
	return slices.ContainsFunc(standardFunctions, func(f Function) bool {
		symbol, ok := c.defined[f.Name]
		return f.Name == name || ok && symbol.Value == address
	})
}
