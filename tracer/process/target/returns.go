package target

import (
	"debug/elf"
	"fmt"
	"slices"

	"golang.org/x/arch/x86/x86asm"
)

// A function that throws must not have a return probe. The C++ unwinder does not know the
// address to which the function then seems to return, and ends the program. So the function's
// return instructions are probed, wherever jumps lead. An exception that leaves the function
// never comes by one.

// maxReturnWalk bounds how many instructions are followed to find a function's returns.
const maxReturnWalk = 4096

// returns lists the addresses of the return instructions that a function can reach without
// being called again. It stops at an address for which reports is true, that is, at a function
// with probes of its own; the list is empty if there is nothing but the jump to such a one. It
// returns false if a path leads on that cannot be followed.
func (j *jumps) returns(function elf.Symbol, reports func(address uint64) bool) (found []uint64, ok bool) {
	if j.f.Machine != elf.EM_X86_64 {
		return nil, false
	}
	entry := function.Value
	w := returnWalk{jumps: j, function: function, seen: make(map[uint64]bool), todo: []uint64{entry}}
	for len(w.todo) > 0 {
		at := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		if at != entry && reports(at) {
			continue
		}
		if !w.follow(at) {
			return nil, false
		}
	}
	slices.Sort(w.found)
	return w.found, true
}

// returnWalk follows a function's instructions.
type returnWalk struct {
	*jumps
	function elf.Symbol
	seen     map[uint64]bool
	todo     []uint64
	found    []uint64
}

// follow follows instructions from an address to where they do not go on.
func (w *returnWalk) follow(at uint64) bool {
	for !w.seen[at] {
		if w.seen[at] = true; len(w.seen) > maxReturnWalk {
			return false
		}
		code := read(w.image.code(at), at, longest)
		length, to, err := decode(code)
		if err != nil || length == 0 {
			return false
		}
		inst, _ := disassemble(code) // it does not know endbr64, which goes on
		switch {
		case inst.Op == x86asm.RET:
			w.found = append(w.found, at)
			return true
		case inst.Op == x86asm.JMP:
			return w.jumpFrom(at)
		case inst.Op == x86asm.UD2, inst.Op == x86asm.INT, inst.Op == x86asm.HLT:
			return true
		case inst.Op == x86asm.LRET, inst.Op == x86asm.IRET, inst.Op == x86asm.SYSRET, inst.Op == x86asm.XBEGIN:
			return false
		case inst.Op == x86asm.CALL:
			// A call that does not return may be the last instruction of its function.
			if end := w.end(at); at+length >= end {
				return end != 0
			}
		case conditional(inst) && to != 0:
			w.todo = append(w.todo, at+to)
		}
		at += length
	}
	return true
}

// end returns where the function that holds an address ends, 0 if that is not known.
func (w *returnWalk) end(at uint64) uint64 {
	if _, end := w.image.function(at); end != 0 {
		return end
	}
	if at-w.function.Value < w.function.Size {
		return w.function.Value + w.function.Size
	}
	return 0
}

// jumpFrom follows the jump at an address, even one that goes where a word of the global
// offset table says.
func (w *returnWalk) jumpFrom(at uint64) bool {
	target, indirect, ok := w.jump(at)
	if !ok {
		return false
	}
	if indirect {
		symbol, ok := w.slot(target)
		if !ok || symbol.Section == elf.SHN_UNDEF {
			return false
		}
		target = symbol.Value
	}
	w.todo = append(w.todo, target)
	return true
}

// conditional reports whether an instruction is a conditional jump.
func conditional(inst x86asm.Inst) bool {
	_, relative := inst.Args[0].(x86asm.Rel)
	return relative && inst.Op != x86asm.CALL && inst.Op != x86asm.JMP
}

// returnProbes returns the probes on the returns of a function, and false if these are not
// known. functions are those that the file defines.
func (c *chooser) returnProbes(fn Function, symbol elf.Symbol, functions []Function) (probes []Probe, ok bool) {
	own := make(map[uint64]bool)
	for _, fn := range functions {
		own[c.defined[fn.Name].Value] = true
	}
	found, ok := c.returns(symbol, func(address uint64) bool { return own[address] })
	for _, at := range found {
		segment := c.image.code(at)
		probes = append(probes, Probe{
			Function: Function{Name: fmt.Sprintf("the return of %s at %#x", fn.Name, at), Role: Return, Shape: isReturn},
			Offset:   at - segment.Vaddr + segment.Off,
			code:     probedCode(segment, elf.Symbol{Value: at}, 0),
		})
	}
	return probes, ok
}

// addReturns adds probes on returns, each once, since functions may share one.
func (o *Object) addReturns(probes []Probe) {
	for _, p := range probes {
		if !slices.ContainsFunc(o.Probes, func(q Probe) bool { return q.Offset == p.Offset }) {
			o.Probes = append(o.Probes, p)
		}
	}
}
