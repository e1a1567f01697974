package unwind

// Registers are those of a frame that a walk is at. IP is a return address, or one byte behind
// the instruction that was interrupted.
type Registers struct{ IP, SP, BP uint64 }

// End is why a walk does not go on.
type End uint8

const (
	// More: it goes on.
	More End = iota
	// Outermost: the frame has no caller.
	Outermost
	// NoRule: there is no rule, or none that says enough.
	NoRule
	// BadStack: the stack is not what the rule needs, or not known.
	BadStack
)

// Caller moves from a frame to its caller, as step of bpf/unwind.h does. read returns a word of
// the stack.
func (r Rule) Caller(regs *Registers, read func(addr uint64) (uint64, bool)) End {
	var cfa uint64
	hi, lo := r.Halves()
	switch r.CFA {
	case CFARSP:
		cfa = regs.SP + uint64(int64(r.CFAOffset))
	case CFARBP:
		cfa = regs.BP + uint64(int64(r.CFAOffset))
	case CFAPLT:
		cfa = regs.SP + uint64(int64(hi))
		if int16(regs.IP&15) >= lo {
			cfa += 8
		}
	case CFADerefRBP, CFADerefRSP:
		at := regs.SP
		if r.CFA == CFADerefRBP {
			at = regs.BP
		}
		word, ok := read(at + uint64(int64(hi)))
		if !ok {
			return BadStack
		}
		cfa = word + uint64(int64(lo))
	case CFASignal:
		return interrupted(regs, regs.SP+uint64(int64(r.CFAOffset)), read)
	case CFAEnd:
		return Outermost
	default:
		return NoRule
	}
	if cfa <= regs.SP || cfa&7 != 0 {
		return BadStack
	}
	ip, ok := read(cfa - 8)
	bp, bpOK := regs.BP, true
	switch r.RBP {
	case RBPAtCFA:
		bp, bpOK = read(cfa + uint64(int64(r.RBPOffset)))
	case RBPExpression:
		bp, bpOK = read(regs.BP + uint64(int64(r.RBPOffset)))
	case RBPUndefined:
		bp = 0
	}
	if !ok || !bpOK {
		return BadStack
	}
	*regs = Registers{ip, cfa, bp}
	if ip == 0 {
		return Outermost
	}
	return More
}

// interrupted moves to the frame that a signal interrupted.
func interrupted(regs *Registers, context uint64, read func(uint64) (uint64, bool)) End {
	bp, ok1 := read(context + SignalRBP)
	sp, ok2 := read(context + SignalRSP)
	ip, ok3 := read(context + SignalRIP)
	if !ok1 || !ok2 || !ok3 {
		return BadStack
	}
	*regs = Registers{ip + 1, sp, bp}
	return More
}
