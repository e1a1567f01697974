package unwind

import "golang.org/x/arch/x86/x86asm"

// place says where a register was loaded from: from a word of the stack or of the thread's own
// memory, or by a chain of pointers that starts there. A constant has neither.
type place struct {
	root   rootKind
	chain  []int64 // offsets: the first from the root, the others from what was loaded
	less   []int64 // the offset of the word of the stack that was then subtracted
	number int64   // the constant, or where slot is from the start of the code
	// linked: the first offset is not in the code but in a slot of the file that the dynamic
	// linker fills (initial-exec TLS).
	linked bool
}

type rootKind uint8

const (
	rootNone rootKind = iota // not known
	rootConstant
	rootSlot // a word of the file
	rootStack
	rootThread // fs
)

func (p place) known() bool { return p.root == rootStack || p.root == rootThread }

// rule expresses the place as a rule. frame is the rule that holds once rsp is loaded from there.
func (p place) rule(frame Rule) (Rule, bool) {
	c, r := p.chain, Rule{}
	if frame.CFA != CFARSP || frame.CFAOffset&7 != 0 || frame.CFAOffset < 0 {
		return r, false
	}
	ok := false
	size := int64(frame.CFAOffset)
	switch {
	case p.root == rootStack && len(c) == 1 && p.less == nil:
		r, ok = halvesRule(CFADerefRSP, c[0], size)
	case p.root == rootStack && len(c) == 2 && len(p.less) == 1:
		r, ok = wordsRule(CFAGoC, c[0], p.less[0], c[1], size)
	case p.root == rootThread && len(c) == 4 && p.less == nil:
		r, ok = wordsRule(CFAGoSwitch, c[1], c[2], c[3], size)
		r.RBPOffset = int16(c[0])
		return r, ok && fitsInt16(c[0])
	}
	r.RBP, r.RBPOffset = frame.RBP, frame.RBPOffset
	return r, ok
}

// wordsRule returns a rule whose CFAOffset holds four offsets, in words, from its low byte on.
func wordsRule(kind CFAKind, offsets ...int64) (Rule, bool) {
	r := Rule{CFA: kind}
	for i, off := range offsets {
		if off < 0 || off&7 != 0 || off/8 > 0xff {
			return Rule{}, false
		}
		r.CFAOffset |= int32(uint32(off/8) << (8 * i))
	}
	return r, true
}

// returnPlace follows the code behind a call until rsp is loaded, and returns where from and how
// many bytes of code that takes.
func returnPlace(code []byte) (place, int) {
	registers := make(map[x86asm.Reg]place)
	for at := 0; at < len(code); {
		inst, err := x86asm.Decode(code[at:], 64)
		if err != nil || inst.Len == 0 || inst.Op == x86asm.CALL || inst.Op == x86asm.JMP || inst.Op == x86asm.RET {
			break
		}
		at += inst.Len
		to, ok := inst.Args[0].(x86asm.Reg)
		if !ok || inst.Op == x86asm.CMP || inst.Op == x86asm.TEST {
			continue // stores change nothing that is looked at
		}
		value := evaluate(registers, &inst, at)
		if to == x86asm.RSP {
			return value, at
		}
		registers[to] = value
	}
	return place{}, 0
}

// evaluate returns what an instruction leaves in its first argument, a register. next is where
// the next one is.
func evaluate(registers map[x86asm.Reg]place, inst *x86asm.Inst, next int) place {
	var from place
	switch arg := inst.Args[1].(type) {
	case x86asm.Reg:
		from = registers[arg]
	case x86asm.Imm:
		from = place{root: rootConstant, number: int64(arg)}
	case x86asm.Mem:
		from = load(registers, &arg, int64(next))
	}
	switch {
	case inst.Op == x86asm.MOV:
		return from
	case inst.Op == x86asm.SUB && from.root == rootStack && len(from.chain) == 1:
		to := registers[inst.Args[0].(x86asm.Reg)]
		if to.known() && to.less == nil {
			to.less = from.chain
			return to
		}
	}
	return place{}
}

// load returns what a word of memory holds. next is where the next instruction is.
func load(registers map[x86asm.Reg]place, m *x86asm.Mem, next int64) place {
	base, disp := registers[m.Base], int64(int32(m.Disp)) // not sign-extended without a base
	switch {
	case m.Index != 0:
		return place{}
	case m.Segment == x86asm.FS && m.Base == 0:
		return place{root: rootThread, chain: []int64{disp}}
	case m.Segment == x86asm.FS && base.root == rootConstant:
		return place{root: rootThread, chain: []int64{base.number + disp}}
	case m.Segment == x86asm.FS && base.root == rootSlot && disp == 0:
		return place{root: rootThread, chain: []int64{0}, number: base.number, linked: true}
	case m.Segment == x86asm.FS:
		return place{}
	case m.Base == x86asm.RIP:
		return place{root: rootSlot, number: next + disp}
	case m.Base == x86asm.RSP:
		return place{root: rootStack, chain: []int64{disp}}
	case base.known() && base.less == nil && len(base.chain) < maxChain:
		base.chain = append(base.chain[:len(base.chain):len(base.chain)], disp)
		return base
	}
	return place{}
}
